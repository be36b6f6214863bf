import { badInput } from '../../../../lib/api-error.ts'
import {
  type DeadLetter,
  type DeadLetterDetails,
  deadLetterById,
  deadLettersPage,
} from '../../../../queries/dead-letters/dead-letters.ts'
import { QUERY_LIMITS } from '../../../../queries/limits.ts'
import type { Builder } from '../../builder.ts'
import { needs } from '../../permissions.ts'
import { filterInput } from './filter-input.ts'

type DeadLetterRef = ReturnType<typeof addType>

export function addDeadLetters(builder: Builder): void {
  const deadLetter = addType(builder)
  const details = builder.objectRef<DeadLetterDetails>('DeadLetterDetails').implement({
    description: 'One dead letter, with its event.',
    fields: (t) => ({
      deadLetter: t.field({ type: deadLetter, resolve: (found) => found }),
      event: t.exposeString('event', {
        nullable: true,
        description: 'The event as JSON, as a patch finds it. Null: it cannot be replayed.',
      }),
    }),
  })
  builder.queryField('deadLetter', (t) =>
    t.field({
      ...needs('dead-letters.read'),
      type: details,
      nullable: true,
      description: 'One dead letter of the tenant.',
      args: { tenant: t.arg.id(), id: t.arg.id({ required: true }) },
      async resolve(_, { tenant, id }, context, info) {
        const viewer = await context.tenant(tenant)
        return (await context.run(deadLetterById, viewer, { id }, info)).rows[0] ?? null
      },
    }),
  )
  addPages(builder, deadLetter)
}

function addPages(builder: Builder, deadLetter: DeadLetterRef): void {
  const state = builder.enumType('DeadLetterState', {
    values: ['OPEN', 'REPLAYED', 'DISCARDED'] as const,
  })
  builder.queryField('deadLetters', (t) =>
    t.connection(
      {
        ...needs('dead-letters.read'),
        type: deadLetter,
        description: `Dead letters that are still kept, newest received first; at most ${QUERY_LIMITS.deadLettersPageMax} on a page.`,
        complexity: ({ first }) => ({
          field: 5,
          multiplier: Math.ceil((first ?? QUERY_LIMITS.deadLettersPageMax) / 10),
        }),
        args: {
          tenant: t.arg.id(),
          reason: t.arg.string(),
          state: t.arg({ type: state }),
          filter: t.arg({ type: filterInput(builder) }),
        },
        async resolve(_, { tenant, last, before, state, ...args }, context, info) {
          const viewer = await context.tenant(tenant)
          if (last != null || before != null)
            throw badInput(
              last != null ? 'last' : 'before',
              'is not supported; use first and after',
            )
          const { rows, hasNextPage } = await context.run(
            deadLettersPage,
            viewer,
            { ...args, state: state?.toLowerCase() as DeadLetter['state'] | undefined },
            info,
          )
          const pageInfo = {
            hasNextPage,
            hasPreviousPage: args.after != null,
            startCursor: rows[0]?.cursor ?? null,
            endCursor: rows.at(-1)?.cursor ?? null,
          }
          return { edges: [...rows], pageInfo }
        },
      },
      { name: 'DeadLetterConnection' },
      { name: 'DeadLetterEdge' },
    ),
  )
}

function addType(builder: Builder) {
  return builder.objectRef<DeadLetter>('DeadLetter').implement({
    description: 'What was accepted and could not be stored as an event, with the reason.',
    fields: (t) => ({
      id: t.exposeID('id'),
      reason: t.exposeString('reason', { description: 'A code of docs/errors.md.' }),
      detail: t.exposeString('detail'),
      receivedAt: t.expose('receivedAt', { type: 'DateTime' }),
      route: t.exposeString('route', { nullable: true, description: 'The ingest format.' }),
      client: t.exposeString('client', { nullable: true, description: 'The client library.' }),
      requestId: t.exposeString('requestId', { nullable: true }),
      partition: t.exposeInt('partition', { description: 'The partition of the log.' }),
      offset: t.exposeString('offset', { description: 'The offset in that partition.' }),
      state: t.exposeString('state', { description: 'open, replayed or discarded.' }),
      original: t.exposeString('original', {
        description:
          'What was received, as text. Bytes that are not UTF-8 are replaced, and what is beyond 64 KiB is cut off.',
      }),
      originalBytes: t.exposeInt('originalBytes'),
      fingerprint: t.exposeString('fingerprint', { description: 'Of its group.' }),
      pointer: t.exposeString('pointer', {
        nullable: true,
        description: 'JSON pointer of the member that is wrong, where it is one.',
      }),
      keyId: t.exposeID('keyId', { nullable: true, description: 'The API key of its request.' }),
      name: t.exposeString('name', { nullable: true, description: 'Of the event.' }),
    }),
  })
}
