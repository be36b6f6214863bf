import type { GraphQLResolveInfo } from 'graphql'
import type { TenantViewer } from '../../../identity/viewer.ts'
import { outcomeCount } from '../../../queries/outcome-count.ts'
import { type NameCount, type RangeTotals, rangeTotals } from '../../../queries/range-totals.ts'
import { rawSince } from '../../../queries/raw-since.ts'
import { periodBefore, type Range } from '../../../queries/sql/buckets.ts'
import { uniqueActors } from '../../../queries/unique-actors.ts'
import type { Builder } from '../builder.ts'
import type { RequestContext } from '../context.ts'
import { needs } from '../permissions.ts'

interface Totals {
  viewer: TenantViewer
  range: Range
  totals: RangeTotals
}

export function addTotals(builder: Builder): void {
  const totals = addTotalsType(builder)
  builder.queryField('totals', (t) =>
    t.field({
      ...needs('metrics.read'),
      type: totals,
      description: 'Totals of the range, and of the period of the same length before it.',
      complexity: 50,
      args: {
        tenant: t.arg.id(),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        names: t.arg.int({ defaultValue: 10 }),
      },
      async resolve(_, { tenant, startTime, endTime, names }, context, info) {
        const viewer = await context.tenant(tenant)
        const range = { start: startTime, end: endTime }
        const args = { range, namesMax: names ?? 10 }
        return { viewer, range, totals: await context.run(rangeTotals, viewer, args, info) }
      },
    }),
  )
}

// What has to be counted row by row is counted only where it was selected.
function addTotalsType(builder: Builder) {
  const nameCount = builder.objectRef<NameCount>('NameCount').implement({
    fields: (t) => ({
      name: t.exposeString('name'),
      count: t.exposeFloat('count'),
      previousCount: t.exposeFloat('previousCount'),
    }),
  })
  return builder.objectRef<Totals>('Totals').implement({
    fields: (t) => ({
      count: t.float({ resolve: ({ totals }) => totals.count }),
      previousCount: t.float({ resolve: ({ totals }) => totals.previousCount }),
      names: t.field({
        type: [nameCount],
        description: 'The most frequent names of the range.',
        resolve: ({ totals }) => [...totals.rows],
      }),
      deadLetters: t.float({
        description:
          'Dead letters received in the minutes that the range touches, and not replayed since.',
        resolve: ({ viewer, range }, _, context, info) =>
          countOutcome(context, info, viewer, { range, outcome: 'dead' }),
      }),
      previousDeadLetters: t.float({
        resolve: ({ viewer, range }, _, context, info) =>
          countOutcome(context, info, viewer, { range: periodBefore(range), outcome: 'dead' }),
      }),
      duplicates: t.float({
        description: 'Duplicates received in the minutes that the range touches.',
        resolve: ({ viewer, range }, _, context, info) =>
          countOutcome(context, info, viewer, { range, outcome: 'duplicate' }),
      }),
      conflicting: t.float({
        description:
          'Duplicates whose content differs from what is stored, received in the minutes that the range touches; not in duplicates.',
        resolve: ({ viewer, range }, _, context, info) =>
          countOutcome(context, info, viewer, { range, outcome: 'conflicting' }),
      }),
      uniqueActors: t.float({
        nullable: true,
        description:
          'Distinct actors, counted from single events; null where some events of the range are no longer held.',
        complexity: 25,
        resolve: async ({ viewer, range }, _, context, info) =>
          (await context.run(uniqueActors, viewer, { range }, info)).rows[0],
      }),
      previousUniqueActors: t.float({
        nullable: true,
        complexity: 25,
        resolve: async ({ viewer, range }, _, context, info) =>
          (await context.run(uniqueActors, viewer, { range: periodBefore(range) }, info)).rows[0],
      }),
      rawSince: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'Since when single events are held, where some events of the range were dropped; null where all are held.',
        complexity: 5,
        resolve: async ({ viewer, range }, _, context, info) =>
          (await context.run(rawSince, viewer, { range }, info)).rows[0],
      }),
    }),
  })
}

async function countOutcome(
  { run }: RequestContext,
  info: GraphQLResolveInfo,
  viewer: TenantViewer,
  args: Parameters<typeof outcomeCount>[2],
): Promise<number> {
  return (await run(outcomeCount, viewer, args, info)).rows[0] ?? 0
}
