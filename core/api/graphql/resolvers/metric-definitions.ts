import { actorOf } from '../../../identity/audit/actor-of.ts'
import { ApiError } from '../../../lib/api-error.ts'
import { declareMetric, retireMetric } from '../../../metrics/declare-metric.ts'
import {
  type MetricFilter,
  parseMetricDefinition,
  readMetricName,
} from '../../../metrics/metric-definition.ts'
import { METRIC_LIMITS } from '../../../metrics/metric-limits.ts'
import {
  type BackfillProgress,
  type ListedMetric,
  metricDefinitions,
} from '../../../queries/metric-definitions.ts'
import type { Builder } from '../builder.ts'
import type { RequestContext } from '../context.ts'
import { needs } from '../permissions.ts'

/** What the mutations need of a context: connections that may write. */
function writingDb({ metricsDb, identityDb, db }: RequestContext) {
  return metricsDb ?? identityDb ?? db
}

/** After it was committed. */
function recordChange(
  { securityLog, sender }: RequestContext,
  name: 'metric-declared' | 'metric-retired',
  tenant: string,
  metric: { name: string; version: number },
): void {
  const { credential, address, requestId } = sender
  securityLog?.record({
    name,
    outcome: 'allowed',
    ...(credential !== undefined && { actor: credential }),
    tenant,
    ...(address !== undefined && { address }),
    ...(requestId !== undefined && { requestId }),
    detail: `${metric.name}, version ${metric.version}`,
  })
}

export function addMetricDefinitions(builder: Builder): void {
  const filter = builder.objectRef<MetricFilter>('MetricFilter').implement({
    fields: (t) => ({
      dimension: t.exposeString('dimension'),
      in: t.exposeStringList('in'),
    }),
  })
  const progress = builder.objectRef<BackfillProgress>('MetricBackfill').implement({
    description: 'How far the history of a metric is counted, in days of receipt.',
    fields: (t) => ({
      daysTotal: t.exposeInt('daysTotal'),
      daysDone: t.exposeInt('daysDone'),
      events: t.exposeFloat('events'),
    }),
  })
  const state = builder.enumType('MetricState', { values: ['BACKFILLING', 'ACTIVE'] as const })
  const definition = builder.objectRef<ListedMetric>('MetricDefinition').implement({
    description:
      'A declared metric: which events it counts, what it adds up and by which dimensions.',
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeInt('version'),
      events: t.stringList({
        nullable: true,
        description: 'Names of events; null: all of them.',
        resolve: ({ events }) => (events ? [...events] : null),
      }),
      filter: t.field({ type: [filter], resolve: ({ filters }) => [...filters] }),
      value: t.exposeString('value', {
        description: '"value", or the path of a property that is a number.',
      }),
      dimensions: t.stringList({ resolve: ({ dimensions }) => [...dimensions] }),
      activatedAt: t.expose('activatedAt', { type: 'DateTime' }),
      state: t.expose('state', { type: state }),
      backfill: t.expose('backfill', { type: progress }),
      completeSince: t.expose('completeSince', {
        type: 'DateTime',
        nullable: true,
        description: 'Buckets from then on have all events; null: all buckets.',
      }),
      series: t.exposeInt('series', {
        description:
          'Combinations of dimension values that are counted apart, of at most seriesMax; all others are counted as "(other)".',
      }),
      seriesMax: t.int({ resolve: () => METRIC_LIMITS.seriesMax }),
    }),
  })
  builder.queryField('metricDefinitions', (t) =>
    t.field({
      ...needs('metrics.read'),
      type: [definition],
      description: 'The declared metrics, or the one of this name.',
      complexity: { field: 5, multiplier: 10 },
      args: { tenant: t.arg.id(), name: t.arg.string() },
      async resolve(_, { tenant, name }, context, info) {
        const viewer = await context.tenant(tenant)
        return [...(await context.run(metricDefinitions, viewer, { name }, info)).rows]
      },
    }),
  )
  addMutations(builder, definition)
}

function addMutations(
  builder: Builder,
  definition: ReturnType<ReturnType<Builder['objectRef']>['implement']>,
): void {
  const filterInput = builder.inputType('MetricFilterInput', {
    fields: (t) => ({
      dimension: t.string({ required: true }),
      in: t.stringList({ required: true }),
    }),
  })
  const input = builder.inputType('MetricDefinitionInput', {
    fields: (t) => ({
      name: t.string({ required: true }),
      events: t.stringList({ description: 'Names of events; all of them unless given.' }),
      filter: t.field({ type: [filterInput] }),
      value: t.string({ defaultValue: 'value' }),
      dimensions: t.stringList({
        description: `At most ${METRIC_LIMITS.dimensionsMax}: source, actor, session, name, a derived field such as enrichment.country, or a property by its path.`,
      }),
    }),
  })
  builder.mutationField('declareMetric', (t) =>
    t.field({
      ...needs('metrics.declare'),
      type: definition as never,
      description:
        'Declares a metric, or changes it: that is a new version, whose history is counted again. Takes an API key with the scope admin, or a person who is signed in.',
      args: { tenant: t.arg.id(), definition: t.arg({ type: input, required: true }) },
      async resolve(_, { tenant, definition }, context, info) {
        const viewer = await context.tenant(tenant)
        const parsed = parseMetricDefinition(JSON.parse(JSON.stringify(definition)))
        const db = writingDb(context)
        const { metricChanges } = context
        const by = actorOf(context.viewer, context.sender)
        const declared = await declareMetric(db, viewer.tenantId, parsed, by, metricChanges)
        if (declared.activated)
          recordChange(context, 'metric-declared', viewer.tenant, { ...parsed, ...declared })
        const list: typeof metricDefinitions = (_, ...rest) => metricDefinitions(db, ...rest)
        const { rows } = await context.run(list, viewer, { name: parsed.name }, info)
        if (!rows[0]) throw new ApiError('METRIC_NOT_FOUND')
        return rows[0] as never
      },
    }),
  )
  builder.mutationField('retireMetric', (t) =>
    t.boolean({
      ...needs('metrics.declare'),
      description: 'Removes a metric: it counts nothing any more, and its name is free.',
      args: { tenant: t.arg.id(), name: t.arg.string({ required: true }) },
      async resolve(_, { tenant, name }, context) {
        const viewer = await context.tenant(tenant)
        const metric = readMetricName(name)
        const by = actorOf(context.viewer, context.sender)
        const version = await context.metricChanges.run(viewer.tenantId, () =>
          retireMetric(writingDb(context), viewer.tenantId, metric, by),
        )
        if (version === undefined) throw new ApiError('METRIC_NOT_FOUND')
        recordChange(context, 'metric-retired', viewer.tenant, { name: metric, version })
        return true
      },
    }),
  )
}
