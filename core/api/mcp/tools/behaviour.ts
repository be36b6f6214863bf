import { z } from 'zod'
import { badInput } from '../../../lib/api-error.ts'
import type { FunnelStep } from '../../../queries/behaviour/funnel.ts'
import type { RetentionCohort } from '../../../queries/behaviour/retention.ts'
import { infoOf } from '../../operations/run-operation.ts'
import { MCP_LIMITS } from '../limits.ts'
import type { ToolOutput } from '../tool-text.ts'
import { truncate } from '../untrusted.ts'
import { factsOf } from './facts.ts'
import { explainEmpty, notesOf } from './metrics.ts'
import {
  defineTool,
  maxTokens,
  metric,
  type Range,
  rangeOf,
  rangeShape,
  type ToolContext,
  timeZone,
} from './tool.ts'

const FUNNEL = `query McpFunnel($steps: [EventSelection!]!, $start: DateTime!, $end: DateTime!, $window: Int) {
  found: funnel(steps: $steps, startTime: $start, endTime: $end, windowSeconds: $window) {
    steps { name actors conversion overall medianSeconds } withoutActor
  }
}`

const RETENTION = `query McpRetention($first: EventSelection!, $returning: EventSelection, $start: DateTime!, $end: DateTime!,
  $interval: RetentionInterval, $timeZone: String) {
  found: retention(first: $first, returning: $returning, startTime: $start, endTime: $end, interval: $interval,
    timeZone: $timeZone) { cohorts { date actors returned } }
}`

/** Those that Explore offers, so that a link shows the same. */
const WINDOW_SECONDS = {
  '1h': 3_600,
  '1d': 86_400,
  '7d': 604_800,
  '30d': 2_592_000,
  '90d': 7_776_000,
}
const WINDOW_DEFAULT = '7d'

export const behaviour = defineTool({
  name: 'behaviour',
  permission: 'events.read',
  description:
    'What actors do. With steps a funnel: how many take these events in order within the window. Without, retention: who came back, by day or week of the first event.',
  schema: z.strictObject({
    steps: z.array(metric).min(2).max(10).optional().describe('Event names'),
    window: z
      .enum(['1h', '1d', '7d', '30d', '90d'])
      .optional()
      .describe('Of the funnel; default 7d'),
    first: metric.optional().describe('Retention: default any event'),
    returning: metric.optional().describe('Default as first'),
    period: z.enum(['day', 'week']).optional(),
    ...rangeShape,
    time_zone: timeZone,
    max_tokens: maxTokens,
  }),
  async call({ steps, window, first, returning, period, ...args }, context) {
    const range = rangeOf(args, context.now())
    if (steps === undefined) {
      if (window !== undefined) throw badInput('window', 'needs steps; leave it out for retention')
      const zone = args.time_zone ?? 'UTC'
      return retentionOf(context, range, { first: first ?? '*', returning, period, zone })
    }
    if ([first, returning, period].some((each) => each !== undefined))
      throw badInput('steps', 'make a funnel; first, returning and period are of retention')
    return funnelOf(context, range, { steps, window: window ?? WINDOW_DEFAULT })
  },
})

async function funnelOf(
  context: ToolContext,
  range: Range,
  { steps, window }: { steps: string[]; window: keyof typeof WINDOW_SECONDS },
): Promise<ToolOutput> {
  const seconds = WINDOW_SECONDS[window]
  type Data = { found: { steps: FunnelStep[]; withoutActor: number } }
  const { data, extensions } = await context.run<Data>(FUNNEL, {
    ...range,
    steps: steps.map((name) => ({ name })),
    window: seconds,
  })
  const { withoutActor } = data.found
  const info = infoOf(extensions, 'found')
  const empty = data.found.steps.find(({ actors }) => actors === 0)
  const missing = empty && (await explainEmpty(context, { name: empty.name, filter: [] }, range))
  return {
    facts: { range: `${range.start} to ${range.end}`, window, ...factsOf(info) },
    notes: [
      ...notesOf({ points: [], info }, range, context.now()),
      ...(withoutActor > 0
        ? [`${withoutActor} events that match a step have no actor and are not counted.`]
        : []),
      ...(missing && data.found.steps[0] === empty ? (missing.notes ?? []) : []),
    ],
    subject: {
      steps,
      link: context.link({
        ...{ show: 'funnel', from: range.start, to: range.end, zone: 'UTC', step: steps },
        window: window === WINDOW_DEFAULT ? undefined : String(seconds),
      }),
    },
    columns: ['step', 'actors', 'percent_of_previous', 'percent_of_first', 'median_seconds'],
    rows: data.found.steps.map((step) => [
      truncate(step.name, MCP_LIMITS.nameCharsMax),
      step.actors,
      percentOf(step.conversion),
      percentOf(step.overall),
      step.medianSeconds,
    ]),
  }
}

interface Retained {
  first: string
  returning: string | undefined
  period: 'day' | 'week' | undefined
  zone: string
}

async function retentionOf(
  context: ToolContext,
  range: Range,
  { first, returning, period = 'day', zone }: Retained,
): Promise<ToolOutput> {
  type Data = { found: { cohorts: RetentionCohort[] } }
  const { data, extensions } = await context.run<Data>(RETENTION, {
    ...range,
    first: { name: first },
    returning: returning === undefined ? undefined : { name: returning },
    interval: period.toUpperCase(),
    timeZone: zone,
  })
  const info = infoOf(extensions, 'found')
  const { cohorts } = data.found
  const isEmpty = cohorts.every(({ actors }) => actors === 0)
  const missing = isEmpty
    ? await explainEmpty(context, { name: first, filter: [] }, range)
    : undefined
  return {
    facts: {
      range: `${range.start} to ${range.end}`,
      period,
      time_zone: info.timeZone,
      ...factsOf(info),
    },
    notes: [...notesOf({ points: [], info }, range, context.now()), ...(missing?.notes ?? [])],
    subject: {
      first,
      ...(returning !== undefined && { returning }),
      link: context.link({
        ...{ show: 'retention', from: range.start, to: range.end, zone },
        first: first === '*' ? undefined : first,
        // The page asks for any event where none is named; as the first one has to be written out.
        returning: returningParam(first, returning),
        cohort: period === 'week' ? 'week' : undefined,
      }),
    },
    columns: missing?.columns ?? ['cohort', 'actors', `returned_by_${period}_since`],
    rows: missing?.rows ?? cohorts.map(({ date, actors, returned }) => [date, actors, returned]),
    hint: 'pass period week, a shorter range, or max_tokens.',
  }
}

function returningParam(first: string, returning: string | undefined): string | undefined {
  const name = returning ?? first
  return name === '*' ? undefined : name
}

function percentOf(share: number | null): number | null {
  return share === null ? null : Math.round(share * 1_000) / 10
}
