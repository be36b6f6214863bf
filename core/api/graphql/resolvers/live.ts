import { requirePermission } from '../../../identity/require-permission.ts'
import { isOperator } from '../../../identity/viewer.ts'
import { LIVE_LIMITS } from '../../../queries/limits.ts'
import type { MinuteCount } from '../../../queries/recent-counts.ts'
import type { LiveUpdate } from '../../live/channel.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'
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
        description:
          'The component that fails: edge, gateway, log, worker, redis or database; null while all work.',
      }),
    }),
  })

  builder.subscriptionField('live', (t) =>
    t.field({
      ...needs('events.read'),
      type: update,
      description: 'One or two updates a second; a slow reader gets the latest one.',
      args: { tenant: t.arg.id() },
      async subscribe(_, { tenant }, { sender, viewer, live, tenant: find }) {
        const { credential, heldShare: held } = sender
        const ofTenant = await find(tenant)
        const authorize = async () =>
          requirePermission((await sender.reload()).viewer, ofTenant, 'events.read')
        return live.subscribe(ofTenant, authorize, {
          credential,
          isOperator: isOperator(viewer),
          personId: viewer.kind === 'PERSON' ? viewer.personId : undefined,
          held,
        })
      },
      resolve(update, _, { budget }) {
        budget.reset()
        return update
      },
    }),
  )
}
