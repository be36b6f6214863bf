import { type FunnelResult, type FunnelStep, funnel } from '../../../queries/behaviour/funnel.ts'
import {
  type RetentionCohort,
  type RetentionResult,
  retention,
} from '../../../queries/behaviour/retention.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'

/** What actors do one after the other, from single events. */
export function addBehaviour(builder: Builder): void {
  builder.inputType('EventSelection', {
    description: 'Events of a name ("*": all) that all filters leave.',
    fields: (t) => ({
      name: t.string({ required: true }),
      filter: t.field({ type: ['DimensionFilter'] }),
    }),
  })
  addFunnel(builder)
  addRetention(builder)
}

function addFunnel(builder: Builder): void {
  const step = builder.objectRef<FunnelStep>('FunnelStep').implement({
    fields: (t) => ({
      name: t.exposeString('name'),
      actors: t.exposeFloat('actors', { description: 'Who got as far as this step.' }),
      conversion: t.exposeFloat('conversion', {
        nullable: true,
        description: 'Of the actors of the step before; null where there are none.',
      }),
      overall: t.exposeFloat('overall', {
        nullable: true,
        description: 'Of the actors of the first step.',
      }),
      medianSeconds: t.exposeFloat('medianSeconds', {
        nullable: true,
        description:
          "Median over these actors of each one's shortest time from the first step to this one; null for the first.",
      }),
    }),
  })
  const result = builder.objectRef<FunnelResult>('Funnel').implement({
    fields: (t) => ({
      steps: t.field({ type: [step], resolve: ({ rows }) => [...rows] }),
      withoutActor: t.exposeFloat('withoutActor', {
        description: 'Events that match a step and have no actor: they are not counted.',
      }),
    }),
  })
  builder.queryField('funnel', (t) =>
    t.field({
      ...needs('events.read'),
      type: result,
      description: `How many actors take ordered steps: the first in the range, each next one later than the one before, the last at most windowSeconds after the first (7 days unless given), so perhaps after the range.
2 to ${QUERY_LIMITS.funnelStepsMax} steps, from single events, of which at most ${QUERY_LIMITS.funnelEventsMax / 1e6} million are read.`,
      complexity: 100,
      args: {
        tenant: t.arg.id(),
        steps: t.arg({ type: ['EventSelection'], required: true }),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        windowSeconds: t.arg.int(),
      },
      resolve: async (_, { tenant, ...args }, context, info) =>
        context.run(funnel, await context.tenant(tenant), args, info),
    }),
  )
}

function addRetention(builder: Builder): void {
  const interval = builder.enumType('RetentionInterval', { values: ['DAY', 'WEEK'] as const })
  const cohort = builder.objectRef<RetentionCohort>('RetentionCohort').implement({
    fields: (t) => ({
      timestamp: t.expose('timestamp', {
        type: 'DateTime',
        description: 'The start of the day or week.',
      }),
      date: t.exposeString('date', { description: 'The same as a date of the zone.' }),
      actors: t.exposeFloat('actors', {
        description: 'Actors whose first event of the range is in it.',
      }),
      returned: t.exposeFloatList('returned', {
        description:
          'How many of them returned in each day or week since; the first is their own. As many as have begun in the range.',
      }),
    }),
  })
  const result = builder.objectRef<RetentionResult>('Retention').implement({
    fields: (t) => ({ cohorts: t.field({ type: [cohort], resolve: ({ rows }) => [...rows] }) }),
  })
  builder.queryField('retention', (t) =>
    t.field({
      ...needs('events.read'),
      type: result,
      description: `Who came back: actors by the day or week of their first event in the range, and in which later days or weeks they have a returning event (the same as the first unless given). Only events of the range count.
At most ${QUERY_LIMITS.retentionPeriodsMax} periods, from single events, of which at most ${QUERY_LIMITS.funnelEventsMax / 1e6} million are read.`,
      complexity: 100,
      args: {
        tenant: t.arg.id(),
        first: t.arg({ type: 'EventSelection', required: true }),
        returning: t.arg({ type: 'EventSelection' }),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        interval: t.arg({ type: interval, defaultValue: 'DAY' }),
        timeZone: t.arg.string({ defaultValue: 'UTC' }),
      },
      resolve: async (_, { tenant, ...args }, context, info) =>
        context.run(retention, await context.tenant(tenant), args, info),
    }),
  )
}
