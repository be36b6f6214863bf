import { CHANGE_CAUSES } from '../../../queries/changes/change-causes.ts'
import {
  type ChangedPoint,
  type ChangeExplanation,
  explainChange,
} from '../../../queries/changes/explain-change.ts'
import type { CauseOfChange } from '../../../queries/changes/ledger.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'
import type { MetricTypes } from './metrics.ts'

const CAUSES: Record<(typeof CHANGE_CAUSES)[number], string> = {
  ARRIVED: 'Events that arrived in time, while their bucket was open.',
  LATE: 'Events that came after their bucket may have been final.',
  IMPORT: 'Historical imports.',
  REPLAY: 'Records of the log that were read again.',
  UNRECORDED: 'Events stored by a version that did not record how they came.',
  BACKFILL: 'History that the metric had not counted yet.',
  DEFINITION: 'Another definition of the metric.',
  RETENTION: 'Single events that were dropped, where single events are counted.',
  ERASURE: 'Erased events. Reserved: nothing erases events yet.',
  OLDER_THAN_KEPT:
    'Events that are older than what is kept: it is not known whether they were counted before.',
}

/** Times as many columns as a point of metrics has at most. */
const POINT_COLUMNS = 10

/** Why the same query had another result before. */
export function addExplainChange(builder: Builder, { interval, aggregate }: MetricTypes): void {
  const causeName = builder.enumType('ChangeCause', {
    values: Object.fromEntries(
      CHANGE_CAUSES.map((cause) => [cause, { description: CAUSES[cause] }]),
    ) as Record<(typeof CHANGE_CAUSES)[number], { description: string }>,
  })
  const cause = builder.objectRef<CauseOfChange>('CauseOfChange').implement({
    fields: (t) => ({
      cause: t.field({ type: causeName, resolve: (each) => each.cause }),
      events: t.exposeFloat('events', {
        nullable: true,
        description: 'Events that are counted more; below 0 fewer. Null: not known.',
      }),
      amount: t.exposeFloat('amount', {
        nullable: true,
        description: 'What they add to the value. Null: not known.',
      }),
    }),
  })
  const point = builder.objectRef<ChangedPoint>('ChangedPoint').implement({
    fields: (t) => ({
      timestamp: t.expose('timestamp', { type: 'DateTime' }),
      dimensions: t.field({
        type: 'JSON',
        resolve: ({ dimensions }, _, { budget }) => budget.json(dimensions),
      }),
      before: t.exposeFloat('before'),
      after: t.exposeFloat('after'),
      difference: t.exposeFloat('difference'),
      causes: t.field({ type: [cause], resolve: ({ causes }) => causes }),
    }),
  })
  const result = builder.objectRef<ChangeExplanation>('ChangeExplanation').implement({
    fields: (t) => ({
      points: t.field({
        type: [point],
        description: 'Those that changed, in the order of time.',
        resolve: ({ rows }) => [...rows],
      }),
      fromAsOf: t.expose('fromAsOf', { type: 'DateTime' }),
      toAsOf: t.expose('toAsOf', { type: 'DateTime' }),
      before: t.exposeFloat('before', { description: 'Of all points, changed or not.' }),
      after: t.exposeFloat('after'),
      difference: t.exposeFloat('difference'),
      causes: t.field({
        type: [cause],
        description: 'Of all points together. The amounts add up to the difference.',
        resolve: ({ causes }) => causes,
      }),
      isComplete: t.exposeBoolean('isComplete', {
        description:
          'False where single events were dropped of which nothing knows whether the earlier result counted them.',
      }),
      fromVersion: t.exposeInt('fromVersion', {
        nullable: true,
        description: 'The version of the metric at that moment; null: events of the name.',
      }),
      toVersion: t.exposeInt('toVersion', { nullable: true }),
      inFlight: t.exposeFloat('inFlight', {
        description:
          'Of the events in before: at most so many were still being written then, so that result may lack them.',
      }),
    }),
  })
  builder.queryField('explainChange', (t) =>
    t.field({
      ...needs('metrics.read'),
      type: result,
      description: `Why metrics with the same arguments had another result at fromAsOf, the asOf of that result, than at toAsOf (now unless given): which events came in between and how, what was dropped, another definition. COUNT or SUM.
Every event of the range that is held is looked at, up to ${QUERY_LIMITS.rawEventsMax / 1e6} million.`,
      complexity: ({ tenant, ...args }, { points }) => ({
        field: 75,
        // A point has some causes, each of three columns, where one of metrics has columns alone.
        multiplier: Math.ceil(
          (points.add(args) + 1) / (POINT_COLUMNS * QUERY_LIMITS.pointsPerComplexity),
        ),
      }),
      args: {
        tenant: t.arg.id(),
        name: t.arg.string({ required: true }),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        fromAsOf: t.arg({ type: 'DateTime', required: true }),
        toAsOf: t.arg({ type: 'DateTime' }),
        groupBy: t.arg.stringList(),
        interval: t.arg({ type: interval }),
        timeZone: t.arg.string({ defaultValue: 'UTC' }),
        aggregate: t.arg({ type: aggregate, defaultValue: 'COUNT' }),
        filter: t.arg({ type: ['DimensionFilter'] }),
      },
      async resolve(_, { tenant, ...args }, context, info) {
        const pointsMax = context.points.limitOf(args)
        const viewer = await context.tenant(tenant)
        return context.run(explainChange, viewer, { ...args, pointsMax }, info)
      },
    }),
  )
}
