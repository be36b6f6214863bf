import { LIVE_LIMITS } from '../../../queries/limits.ts'
import type { MinuteCount } from '../../../queries/recent-counts.ts'
import type { LiveUpdate } from '../../live/channel.ts'
import type { Builder } from '../builder.ts'
import type { EventRef } from './events.ts'

export function addLive(builder: Builder, event: EventRef): void {
  const minuteCount = builder.objectRef<MinuteCount>('MinuteCount').implement({
    fields: (t) => ({
      minute: t.expose('minute', { type: 'DateTime' }),
      count: t.exposeFloat('count'),
    }),
  })

  const update = builder.objectRef<LiveUpdate>('LiveUpdate').implement({
    fields: (t) => ({
      at: t.expose('at', { type: 'DateTime' }),
      eventsPerMinute: t.exposeFloat('eventsPerMinute', {
        description: 'Events stored of the last 60 s.',
      }),
      minutes: t.expose('minutes', {
        type: [minuteCount],
        description: `The last ${LIVE_LIMITS.minutes} minutes by the minute received, oldest first; the last one is still open.`,
      }),
      recent: t.expose('recent', {
        type: [event],
        description: `Stored since the last update, newest first, at most ${LIVE_LIMITS.recentMax}; at first the newest ${LIVE_LIMITS.recentFirst}.`,
      }),
      behindSeconds: t.exposeFloat('behindSeconds', {
        description: 'How far the numbers are behind the log.',
      }),
      broken: t.exposeString('broken', {
        nullable: true,
        description: 'Null, or the hop that is broken: log, worker or database.',
      }),
    }),
  })

  builder.subscriptionField('live', (t) =>
    t.field({
      type: update,
      description: 'At most two updates a second, at least one. A slow reader gets the latest.',
      args: { tenant: t.arg.id() },
      subscribe: async (_, { tenant }, context) =>
        context.live.subscribe(await context.tenant(tenant), context.isStillAuthorized),
      resolve: (update) => update,
    }),
  )
}
