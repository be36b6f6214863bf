import {
  type Contribution,
  type ContributionsResult,
  contributions,
} from '../../../queries/explore/contributions.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import {
  type ComparedPoint,
  type CompareResult,
  compareMetrics,
} from '../../../queries/metrics/compare-metrics.ts'
import {
  metricRatio,
  type RatioPoint,
  type RatioResult,
  ratioInputs,
} from '../../../queries/metrics/metric-ratio.ts'
import type { MetricsInput } from '../../../queries/metrics/metrics-args.ts'
import type { PointsPlan } from '../../../queries/metrics/metrics-points.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'
import type { MetricTypes } from './metrics.ts'

/** Two results of `metrics` side by side. */
export function addComparisons(builder: Builder, types: MetricTypes): void {
  addCompare(builder, types)
  addRatio(builder, types)
  addContributions(builder, types)
}

/** Of two queries whose points are shown together. */
function complexityOf(points: PointsPlan, inputs: readonly MetricsInput[]) {
  const total = inputs.reduce((sum, input) => sum + points.add(input), 0)
  return {
    field: 50,
    multiplier: Math.max(10, Math.ceil(total / QUERY_LIMITS.pointsPerComplexity)),
  }
}

function addCompare(builder: Builder, { interval, aggregate }: MetricTypes): void {
  const point = builder.objectRef<ComparedPoint>('ComparedPoint').implement({
    fields: (t) => ({
      timestamp: t.expose('timestamp', {
        type: 'DateTime',
        nullable: true,
        description: 'The start of the bucket; null where the range has no such bucket.',
      }),
      previousTimestamp: t.expose('previousTimestamp', { type: 'DateTime', nullable: true }),
      value: t.exposeFloat('value', {
        nullable: true,
        description:
          'Without events 0 for counts and sums, and null for other aggregates; null also where the range has no such bucket.',
      }),
      previousValue: t.exposeFloat('previousValue', { nullable: true }),
      difference: t.exposeFloat('difference', {
        nullable: true,
        description: 'value less previousValue; null where one of them is.',
      }),
      isFinal: t.exposeBoolean('isFinal', { description: 'Of both buckets.' }),
    }),
  })
  const result = builder.objectRef<CompareResult>('Comparison').implement({
    fields: (t) => ({
      points: t.field({ type: [point], resolve: ({ rows }) => [...rows] }),
      previousStart: t.field({ type: 'DateTime', resolve: ({ previous }) => previous.start }),
      previousEnd: t.field({ type: 'DateTime', resolve: ({ previous }) => previous.end }),
    }),
  })
  builder.queryField('compare', (t) =>
    t.field({
      ...needs('metrics.read'),
      type: result,
      description: `The points of metrics beside those of another range, paired by their distance from the start of their range, by the clock of the zone.
Without previousStart and previousEnd it is the period before: as many whole months, else as many days of the clock.`,
      complexity: ({ tenant, previousStart, previousEnd, ...args }, { points }) =>
        complexityOf(points, [
          args,
          {
            ...args,
            startTime: previousStart ?? args.startTime,
            endTime: previousEnd ?? args.endTime,
          },
        ]),
      args: {
        tenant: t.arg.id(),
        name: t.arg.string({ required: true }),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        previousStart: t.arg({ type: 'DateTime' }),
        previousEnd: t.arg({ type: 'DateTime' }),
        interval: t.arg({ type: interval }),
        timeZone: t.arg.string({ defaultValue: 'UTC' }),
        aggregate: t.arg({ type: aggregate, defaultValue: 'COUNT' }),
        filter: t.arg({ type: ['DimensionFilter'] }),
      },
      async resolve(_, { tenant, ...args }, context, info) {
        const pointsMax = context.points.limitOf(args)
        const viewer = await context.tenant(tenant)
        return context.run(compareMetrics, viewer, { ...args, pointsMax }, info)
      },
    }),
  )
}

function addRatio(builder: Builder, { interval, aggregate }: MetricTypes): void {
  const selection = builder.inputType('MetricSelection', {
    fields: (t) => ({
      name: t.string({ required: true }),
      aggregate: t.field({ type: aggregate, defaultValue: 'COUNT' }),
      filter: t.field({ type: ['DimensionFilter'] }),
    }),
  })
  const point = builder.objectRef<RatioPoint>('RatioPoint').implement({
    fields: (t) => ({
      timestamp: t.expose('timestamp', { type: 'DateTime' }),
      value: t.exposeFloat('value', {
        nullable: true,
        description: 'Null where the denominator is 0, or one of the two is unknown.',
      }),
      numerator: t.exposeFloat('numerator', {
        nullable: true,
        description: 'Without events 0 for counts and sums, and null for other aggregates.',
      }),
      denominator: t.exposeFloat('denominator', { nullable: true }),
      isFinal: t.exposeBoolean('isFinal'),
    }),
  })
  const result = builder.objectRef<RatioResult>('Ratio').implement({
    fields: (t) => ({
      points: t.field({ type: [point], resolve: ({ rows }) => [...rows] }),
      zeroDenominators: t.exposeInt('zeroDenominators', {
        description: 'Points whose value is null because the denominator is 0.',
      }),
    }),
  })
  builder.queryField('ratio', (t) =>
    t.field({
      ...needs('metrics.read'),
      type: result,
      description:
        'One metric divided by another, bucket by bucket. Buckets without events of either are left out.',
      complexity: ({ tenant, ...args }, { points }) => complexityOf(points, ratioInputs(args)),
      args: {
        tenant: t.arg.id(),
        numerator: t.arg({ type: selection, required: true }),
        denominator: t.arg({ type: selection, required: true }),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        interval: t.arg({ type: interval }),
        timeZone: t.arg.string({ defaultValue: 'UTC' }),
      },
      async resolve(_, { tenant, ...args }, context, info) {
        const [input] = ratioInputs(args)
        const pointsMax = context.points.limitOf(input)
        const viewer = await context.tenant(tenant)
        return context.run(metricRatio, viewer, { ...args, pointsMax }, info)
      },
    }),
  )
}

function addContributions(builder: Builder, { aggregate }: MetricTypes): void {
  const contribution = builder.objectRef<Contribution>('Contribution').implement({
    fields: (t) => ({
      value: t.exposeString('value', {
        nullable: true,
        description: 'Null: events without the dimension.',
      }),
      before: t.exposeFloat('before'),
      after: t.exposeFloat('after'),
      difference: t.exposeFloat('difference'),
      isOther: t.exposeBoolean('isOther', {
        description: 'The last one: all values that are not listed, as "(other)".',
      }),
    }),
  })
  const result = builder.objectRef<ContributionsResult>('Contributions').implement({
    fields: (t) => ({
      contributions: t.field({
        type: [contribution],
        description: 'The largest differences first. They add up to the difference.',
        resolve: ({ rows }) => [...rows],
      }),
      before: t.exposeFloat('before'),
      after: t.exposeFloat('after'),
      difference: t.exposeFloat('difference'),
      found: t.exposeFloat('found', { description: 'Different values, listed or not.' }),
      previousStart: t.field({ type: 'DateTime', resolve: ({ previous }) => previous.start }),
      previousEnd: t.field({ type: 'DateTime', resolve: ({ previous }) => previous.end }),
    }),
  })
  builder.queryField('contributions', (t) =>
    t.field({
      ...needs('metrics.read'),
      type: result,
      description:
        'Which values of a dimension explain the difference between a range and another one: the period before as in compare, unless given. COUNT or SUM.',
      complexity: 75,
      args: {
        tenant: t.arg.id(),
        name: t.arg.string({ required: true }),
        dimension: t.arg.string({ required: true }),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        previousStart: t.arg({ type: 'DateTime' }),
        previousEnd: t.arg({ type: 'DateTime' }),
        timeZone: t.arg.string({ defaultValue: 'UTC' }),
        aggregate: t.arg({ type: aggregate, defaultValue: 'COUNT' }),
        filter: t.arg({ type: ['DimensionFilter'] }),
        limit: t.arg.int({ defaultValue: QUERY_LIMITS.listDefault }),
      },
      resolve: async (_, { tenant, ...args }, context, info) =>
        context.run(contributions, await context.tenant(tenant), args, info),
    }),
  )
}
