import { type RecentBucket, recentBuckets } from '../../../queries/recent-buckets.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'

export function addRecentBuckets(builder: Builder): void {
  const bucket = builder.objectRef<RecentBucket>('RecentBucket').implement({
    fields: (t) => ({
      timestamp: t.expose('timestamp', { type: 'DateTime' }),
      name: t.exposeString('name'),
      count: t.exposeFloat('count'),
    }),
  })
  builder.queryField('recentBuckets', (t) =>
    t.field({
      ...needs('metrics.read'),
      type: [bucket],
      description:
        'Events that occurred in the last seconds, by name, newest first: from single events, for windows of up to an hour. The newest bucket is still open.',
      complexity: { field: 50, multiplier: 10 },
      args: {
        tenant: t.arg.id(),
        windowSeconds: t.arg.int({ defaultValue: 300 }),
        bucketSeconds: t.arg.int({ defaultValue: 10 }),
      },
      async resolve(_, { tenant, windowSeconds, bucketSeconds }, context, info) {
        const viewer = await context.tenant(tenant)
        const args = { windowSeconds: windowSeconds ?? 300, bucketSeconds: bucketSeconds ?? 10 }
        return [...(await context.run(recentBuckets, viewer, args, info)).rows]
      },
    }),
  )
}
