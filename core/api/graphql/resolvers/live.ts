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
        description: 'Events received in the last 60 s and stored.',
      }),
      minutes: t.expose('minutes', {
        type: [minuteCount],
        description: `Events of the last ${LIVE_LIMITS.minutes} minutes, by the minute received, oldest first; the last minute is still open.`,
      }),
      recent: t.expose('recent', {
        type: [event],
        description: `Events stored since the last update, newest first, at most ${LIVE_LIMITS.recentMax}; in the first update the newest ${LIVE_LIMITS.recentFirst}.`,
      }),
      lagSeconds: t.exposeFloat('lagSeconds', {
        description: 'How far the numbers are behind the log, in seconds.',
      }),
      failingComponent: t.exposeString('failingComponent', {
        nullable: true,
        description: 'The component that fails: log, worker or database; null while all work.',
      }),
    }),
  })

  builder.subscriptionField('live', (t) =>
    t.field({
      type: update,
      description: 'One or two updates a second; a slow reader gets the latest one.',
      args: { tenant: t.arg.id() },
      subscribe: async (_, { tenant }, context) =>
        context.live.subscribe(await context.tenant(tenant), context.sender.isStillAuthorized, {
          credential: context.sender.credential,
          isOperator: context.viewer.kind === 'SESSION',
          held: context.sender.heldShare,
        }),
      resolve(update, _, { budget }) {
        budget.reset()
        return update
      },
    }),
  )
}
