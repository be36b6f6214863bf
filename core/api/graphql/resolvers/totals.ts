import type { TenantViewer } from '../../../identity/viewer.ts'
import { rawSince } from '../../../queries/oldest-day.ts'
import { periodBefore, type Range } from '../../../queries/sql/buckets.ts'
import {
  type NameCount,
  outcomeCount,
  type RangeTotals,
  rangeTotals,
  uniqueActors,
} from '../../../queries/totals.ts'
import type { Builder } from '../builder.ts'

interface Totals {
  viewer: TenantViewer
  range: Range
  counts: RangeTotals
}

export function addTotals(builder: Builder): void {
  const nameCount = builder.objectRef<NameCount>('NameCount').implement({
    fields: (t) => ({
      name: t.exposeString('name'),
      count: t.exposeFloat('count'),
      previousCount: t.exposeFloat('previousCount'),
    }),
  })

  // What has to be counted row by row is counted only where it was asked for.
  const totals = builder.objectRef<Totals>('Totals').implement({
    fields: (t) => ({
      count: t.float({ resolve: ({ counts }) => counts.count }),
      previousCount: t.float({ resolve: ({ counts }) => counts.previousCount }),
      names: t.field({
        type: [nameCount],
        description: 'The most frequent ones of the range.',
        resolve: ({ counts }) => counts.names,
      }),
      deadLetters: t.float({
        description: 'Received in the minutes that the range touches, and not replayed since.',
        resolve: ({ viewer, range }, _, { db }) => outcomeCount(db, viewer, range, 'dead'),
      }),
      previousDeadLetters: t.float({
        resolve: ({ viewer, range }, _, { db }) =>
          outcomeCount(db, viewer, periodBefore(range), 'dead'),
      }),
      duplicates: t.float({
        description: 'Received in the minutes that the range touches.',
        resolve: ({ viewer, range }, _, { db }) => outcomeCount(db, viewer, range, 'duplicate'),
      }),
      uniqueActors: t.float({
        nullable: true,
        description: 'Counted from single events; null where some of the range are no longer held.',
        complexity: 25,
        resolve: ({ viewer, range }, _, { db }) => uniqueActors(db, viewer, range),
      }),
      previousUniqueActors: t.float({
        nullable: true,
        complexity: 25,
        resolve: ({ viewer, range }, _, { db }) => uniqueActors(db, viewer, periodBefore(range)),
      }),
      rawSince: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'Since when single events are held, where some of the range were dropped already; null where all are there.',
        complexity: 5,
        resolve: ({ viewer, range }, _, { db }) => rawSince(db, viewer, range),
      }),
    }),
  })

  builder.queryField('totals', (t) =>
    t.field({
      type: totals,
      description: 'The range against the period of the same length before it.',
      complexity: 50,
      args: {
        tenant: t.arg.id(),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        names: t.arg.int({ defaultValue: 10 }),
      },
      async resolve(_, { tenant, startTime, endTime, names }, context) {
        const viewer = await context.tenant(tenant)
        const range = { start: startTime, end: endTime }
        context.answered.push({ viewer, range, before: true, interval: 'TOTAL', final: true })
        return {
          viewer,
          range,
          counts: await rangeTotals(context.db, viewer, range, names ?? 10),
        }
      },
    }),
  )
}
