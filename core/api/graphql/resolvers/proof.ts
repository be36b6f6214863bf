import {
  BALANCE_MINUTES_MAX,
  type BalanceMinute,
  type BalanceResult,
  balance,
} from '../../../queries/pipeline/balance.ts'
import {
  createUnaccountedEvents,
  UNACCOUNTED_IDS_MAX,
  type UnaccountedEvents,
} from '../../../queries/pipeline/unaccounted-events.ts'
import { readVerification, type VerificationState } from '../../../queries/pipeline/verification.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'

export function addProof(builder: Builder): void {
  addBalance(builder)
  addVerification(builder)
}

function addBalance(builder: Builder): void {
  const minute = builder.objectRef<BalanceMinute>('BalanceMinute').implement({
    description: 'accepted = stored + duplicates + conflicting + dead + inFlight + unaccounted',
    fields: (t) => ({
      minute: t.expose('minute', {
        type: 'DateTime',
        description: 'By when events were received.',
      }),
      accepted: t.exposeFloat('accepted', {
        description:
          'Records in the log, counted by a reader that has nothing in common with the workers.',
      }),
      stored: t.exposeFloat('stored'),
      duplicates: t.exposeFloat('duplicates'),
      conflicting: t.exposeFloat('conflicting', {
        description: 'Duplicates whose content differs from that of the first.',
      }),
      dead: t.exposeFloat('dead'),
      inFlight: t.exposeFloat('inFlight', {
        description: 'Counted, and not applied by a worker yet.',
      }),
      unaccounted: t.exposeFloat('unaccounted', {
        description: 'Records without an outcome, or, below zero, outcomes without a record.',
      }),
    }),
  })

  const result = builder.objectRef<BalanceResult>('Balance').implement({
    description: 'The balance sheet of accepted events and what became of them.',
    fields: (t) => ({
      unaccounted: t.exposeFloat('unaccounted', {
        description:
          'Of all minutes, each without its sign. 0: every accepted event has its outcome.',
      }),
      accepted: t.exposeFloat('accepted'),
      inFlight: t.exposeFloat('inFlight'),
      counting: t.exposeBoolean('counting', {
        description: 'false: nothing has counted the log yet, so nothing is compared.',
      }),
      minutes: t.field({ type: [minute], resolve: ({ rows }) => [...rows] }),
    }),
  })

  builder.queryField('balance', (t) =>
    t.field({
      ...needs('pipeline.read'),
      type: result,
      description: `Accepted events against their outcomes, by the minute of receipt; at most ${BALANCE_MINUTES_MAX} minutes, of the last month.`,
      complexity: 50,
      args: {
        tenant: t.arg.id(),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
      },
      resolve: async (_, { tenant, ...args }, context, info) =>
        context.run(balance, await context.tenant(tenant), args, info),
    }),
  )

  let find: UnaccountedEvents | undefined
  builder.queryField('unaccountedIds', (t) =>
    t.field({
      ...needs('events.read'),
      type: ['ID'],
      description: `The events of a minute that the log has and that have no outcome: their ids, or partition:offset of records without one; at most ${UNACCOUNTED_IDS_MAX}, of what the log still holds and can be read in ten seconds.`,
      complexity: 500,
      args: {
        tenant: t.arg.id(),
        minute: t.arg({ type: 'DateTime', required: true, description: 'Of receipt.' }),
      },
      async resolve(_, { tenant, minute }, context, info) {
        find ??= createUnaccountedEvents(context.log)
        const { rows } = await context.run(find, await context.tenant(tenant), { minute }, info)
        return [...rows]
      },
    }),
  )
}

function addVerification(builder: Builder): void {
  const state = builder.objectRef<VerificationState>('Verification').implement({
    description: 'What the regular recounts of all tenants found.',
    fields: (t) => ({
      finishedAt: t.expose('finishedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When everything was recounted the last time; null: never.',
      }),
      clean: t.exposeBoolean('clean', {
        nullable: true,
        description: 'Nothing differed then, and everything could be compared.',
      }),
      differences: t.exposeFloat('differences', { nullable: true }),
      verifiedThrough: t.expose('verifiedThrough', {
        type: 'DateTime',
        nullable: true,
        description:
          'What was stored by then, in buckets before it, was recounted and was right; null where that is not known.',
      }),
      sampledAt: t.expose('sampledAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When the newest rollups were compared with their events; null: never.',
      }),
      sweptAt: t.expose('sweptAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When all rollups that can be compared had been; null: never.',
      }),
      rollupDifferences: t.exposeFloat('rollupDifferences', {
        description: 'Buckets of rollups that differ now; of all tenants for the operator.',
      }),
    }),
  })

  builder.queryField('verification', (t) =>
    t.field({
      ...needs('pipeline.read'),
      type: state,
      description:
        'When numbers were recounted from their events the last time, and what differed.',
      complexity: 5,
      resolve: (_, __, { db }) => readVerification(db),
    }),
  )
}
