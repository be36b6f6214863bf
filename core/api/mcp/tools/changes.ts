import type { ChangedPoint, ChangeExplanation } from '../../../queries/changes/explain-change.ts'
import type { CauseOfChange } from '../../../queries/changes/ledger.ts'
import type { ResultInfo } from '../../../queries/query-result.ts'
import { infoOf } from '../../operations/run-operation.ts'
import type { ToolOutput } from '../tool-text.ts'
import { cellsOf, type Selection } from './metrics.ts'
import type { Range, ToolContext } from './tool.ts'

const DOCUMENT = `query McpChanges($name: String!, $start: DateTime!, $end: DateTime!, $fromAsOf: DateTime!, $interval: Interval,
  $timeZone: String, $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!]) {
  found: explainChange(name: $name, startTime: $start, endTime: $end, fromAsOf: $fromAsOf, interval: $interval,
    timeZone: $timeZone, aggregate: $aggregate, groupBy: $groupBy, filter: $filter) {
    points { timestamp dimensions before after difference causes { cause amount } }
    before after difference causes { cause amount } isComplete inFlight
  }
}`

export interface Changed {
  info: ResultInfo
  points: number
  facts: ToolOutput['facts']
  notes: string[]
  columns: readonly string[]
  rows: NonNullable<ToolOutput['rows']>
}

/** Why a number differs from an earlier result of the same question. @param since its `as_of` */
export async function readChanges(
  { run }: ToolContext,
  {
    selection,
    range,
    interval,
  }: { selection: Selection; range: Range; interval?: string | undefined },
  since: string,
): Promise<Changed> {
  const variables = { ...selection, ...range, fromAsOf: since, interval: interval?.toUpperCase() }
  type Data = { found: ChangeExplanation & { points: ChangedPoint[] } }
  const { data, extensions } = await run<Data>(DOCUMENT, variables)
  const { points, before, after, difference, causes, isComplete, inFlight } = data.found
  const notes: string[] = []
  if (!isComplete)
    notes.push(
      'single events were dropped since: how many the earlier result counted is not known.',
    )
  if (inFlight > 0)
    notes.push(`at most ${inFlight} events of before were still being written then.`)
  return {
    info: infoOf(extensions, 'found'),
    points: points.length,
    facts: { before, after, difference, causes: textOf(causes) || 'nothing changed' },
    notes,
    columns: ['timestamp', ...selection.groupBy, 'before', 'after', 'difference', 'causes'],
    rows: points.map((point) => [
      point.timestamp,
      ...cellsOf(point.dimensions, selection.groupBy),
      point.before,
      point.after,
      point.difference,
      textOf(point.causes),
    ]),
  }
}

function textOf(causes: readonly Pick<CauseOfChange, 'cause' | 'amount'>[]): string {
  return causes
    .map(({ cause, amount }) => `${cause.toLowerCase()} ${amount ?? 'of unknown amount'}`)
    .join(', ')
}
