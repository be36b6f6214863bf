import { badInput } from '../../../lib/api-error.ts'
import { type DeadLetter, deadLettersPage } from '../../../queries/dead-letters.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'

export function addDeadLetters(builder: Builder): void {
  const deadLetter = builder.objectRef<DeadLetter>('DeadLetter').implement({
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
    }),
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
        args: { tenant: t.arg.id(), reason: t.arg.string() },
        async resolve(_, { tenant, last, before, ...args }, context, info) {
          const viewer = await context.tenant(tenant)
          if (last != null || before != null)
            throw badInput(
              last != null ? 'last' : 'before',
              'is not supported; use first and after',
            )
          const { rows, hasNextPage } = await context.run(deadLettersPage, viewer, args, info)
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
