import { WORKBENCH_LIMITS } from '../../../../dead-letters/limits.ts'
import {
  type DeadLetterGroup,
  type DeadLetterGroups,
  deadLetterGroups,
  type GroupState,
} from '../../../../queries/dead-letters/groups.ts'
import type { Builder } from '../../builder.ts'
import { needs } from '../../permissions.ts'

export function addDeadLetterGroups(builder: Builder): void {
  const state = builder.enumType('DeadLetterGroupState', {
    values: ['OPEN', 'RESOLVED'] as const,
  })
  const spark = builder.enumType('DeadLetterSpark', { values: ['HOUR', 'DAY'] as const })
  const group = builder.objectRef<DeadLetterGroup>('DeadLetterGroup').implement({
    description: 'Dead letters of one cause: reason, pointer, key and client.',
    fields: (t) => ({
      fingerprint: t.exposeID('fingerprint'),
      reason: t.exposeString('reason', { description: 'A code of docs/errors.md.' }),
      pointer: t.exposeString('pointer', { nullable: true }),
      keyId: t.exposeID('keyId', { nullable: true }),
      client: t.exposeString('client', { nullable: true }),
      detail: t.exposeString('detail', { description: 'Of one of the newest.' }),
      open: t.exposeFloat('open'),
      replayed: t.exposeFloat('replayed'),
      discarded: t.exposeFloat('discarded'),
      firstAt: t.expose('firstAt', { type: 'DateTime' }),
      lastAt: t.expose('lastAt', { type: 'DateTime' }),
      state: t.field({
        type: state,
        description: 'RESOLVED: none is open. The next one of the same cause opens it again.',
        resolve: ({ state }) => state.toUpperCase() as Uppercase<GroupState>,
      }),
      reopenedAt: t.expose('reopenedAt', { type: 'DateTime', nullable: true }),
      version: t.exposeInt('version'),
      spark: t.exposeFloatList('spark', {
        description: 'How many were received in each of the last 24 hours, or 30 days.',
      }),
    }),
  })
  const groups = builder.objectRef<DeadLetterGroups>('DeadLetterGroups').implement({
    fields: (t) => ({
      groups: t.field({ type: [group], resolve: ({ rows }) => [...rows] }),
      open: t.float({ resolve: ({ counts }) => counts.open }),
      resolved: t.float({ resolve: ({ counts }) => counts.resolved }),
      nextCursor: t.string({
        nullable: true,
        resolve: ({ nextCursor }) => nextCursor ?? null,
      }),
    }),
  })
  builder.queryField('deadLetterGroups', (t) =>
    t.field({
      ...needs('dead-letters.read'),
      type: groups,
      description: `Causes of dead letters, the latest first; at most ${WORKBENCH_LIMITS.groupsPageMax}.`,
      complexity: ({ first }) => ({
        field: 5,
        multiplier: Math.ceil((first ?? WORKBENCH_LIMITS.groupsPageMax) / 10),
      }),
      args: {
        tenant: t.arg.id(),
        first: t.arg.int(),
        after: t.arg.string(),
        state: t.arg({ type: state }),
        reason: t.arg.string(),
        key: t.arg.id(),
        client: t.arg.string(),
        sparkOf: t.arg({ type: spark, defaultValue: 'HOUR' }),
      },
      async resolve(_, { tenant, state, sparkOf, ...args }, context, info) {
        const viewer = await context.tenant(tenant)
        const lower = {
          state: state?.toLowerCase() as GroupState | undefined,
          sparkOf: sparkOf?.toLowerCase() as 'hour' | 'day' | undefined,
        }
        return context.run(deadLetterGroups, viewer, { ...args, ...lower }, info)
      },
    }),
  )
}
