import { QUERY_LIMITS } from '../../../queries/limits.ts'
import { eventsOverTime, type MetricPoint } from '../../../queries/metrics/events-over-time.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'

const DESCRIPTION = `Numbers for startTime ≤ occurred_at < endTime. They are exact, but for UNIQUES and percentiles from sketches: see exactness. Buckets without events are left out.
name "*" counts every event name; the name of a declared metric counts what that defines, and hides events of the same name. groupBy and filter take source, actor, session, name, or any property by its name or by its dotted path
("properties.name" where a property has the name of one of those); the ${QUERY_LIMITS.groupsMax} largest groups are listed, the others are counted as "(other)".
Without interval, one that suits the range is chosen. WEEK begins on Monday. MINUTE is counted from single
events, for ranges of up to ${QUERY_LIMITS.minuteRangeHoursMax} hours; it is final, and its late events are counted, with its 15 minutes. extensions.source says rollup, sketch, raw, or which of them;
extensions.metrics.<alias>.finalThrough is the time up to which every bucket is final, those without events too.`

/** @returns the types that other kinds of queries take as arguments */
export function addMetrics(builder: Builder) {
  const interval = builder.enumType('Interval', {
    values: ['MINUTE', 'QUARTER_HOUR', 'HOUR', 'DAY', 'WEEK', 'MONTH', 'TOTAL'] as const,
  })
  const aggregate = builder.enumType('Aggregate', {
    description:
      'Aggregates of the values of events; COUNT counts events, and UNIQUES distinct actors.',
    values: ['COUNT', 'SUM', 'MIN', 'MAX', 'AVG', 'UNIQUES', 'P50', 'P95', 'P99'] as const,
  })
  const exactness = builder.enumType('Exactness', {
    description:
      'How UNIQUES and percentiles are counted. ESTIMATE: from sketches of hours that are final, within extensions.metrics.<alias>.errorBound; EXACT: from single events, as long as they are held. Other aggregates are always exact.',
    values: ['EXACT', 'ESTIMATE'] as const,
  })
  const filter = builder.inputType('DimensionFilter', {
    fields: (t) => ({
      dimension: t.string({ required: true }),
      in: t.field({
        type: ['String'],
        required: { list: true, items: false },
        description: 'Alternatives; null stands for events without the dimension.',
      }),
    }),
  })
  const point = builder.objectRef<MetricPoint>('MetricPoint').implement({
    fields: (t) => ({
      timestamp: t.expose('timestamp', {
        type: 'DateTime',
        description: 'The start of the bucket.',
      }),
      value: t.exposeFloat('value'),
      dimensions: t.field({
        type: 'JSON',
        resolve: ({ dimensions }, _, { budget }) => budget.json(dimensions),
        description: 'One member for each dimension of groupBy; null where events have none.',
      }),
      isFinal: t.exposeBoolean('isFinal', {
        description:
          "The watermark has passed the bucket's end, or the range's where that is earlier.",
      }),
      // An import can bring more than a GraphQL Int holds.
      lateCount: t.exposeFloat('lateCount', {
        description: 'Events that were received after that, all groups of the bucket together.',
      }),
      revisedAt: t.expose('revisedAt', {
        type: 'DateTime',
        nullable: true,
        description:
          'When the bucket last changed after it may have been final: by a late event, an import or a replay.',
      }),
    }),
  })

  builder.queryField('metrics', (t) =>
    t.field({
      ...needs('metrics.read'),
      type: [point],
      description: DESCRIPTION,
      // Asked for all queries of an operation before the first of them is executed.
      complexity: ({ tenant, ...args }, { points }) => {
        const cost = Math.ceil(points.add(args) / QUERY_LIMITS.pointsPerComplexity)
        return { field: 25, multiplier: Math.max(10, cost) }
      },
      args: {
        tenant: t.arg.id(),
        name: t.arg.string({ required: true }),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        groupBy: t.arg.stringList(),
        interval: t.arg({ type: interval }),
        timeZone: t.arg.string({ defaultValue: 'UTC' }),
        aggregate: t.arg({ type: aggregate, defaultValue: 'COUNT' }),
        filter: t.arg({ type: [filter] }),
        exactness: t.arg({ type: exactness, defaultValue: 'ESTIMATE' }),
      },
      async resolve(_, { tenant, ...args }, context, info) {
        const pointsMax = context.points.limitOf(args)
        const viewer = await context.tenant(tenant)
        return [...(await context.run(eventsOverTime, viewer, { ...args, pointsMax }, info)).rows]
      },
    }),
  )
  return { interval, aggregate }
}

export type MetricTypes = ReturnType<typeof addMetrics>
