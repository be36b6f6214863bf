import { ENRICHMENT_FIELDS } from '../../../metrics/enrichment.ts'
import { countEvents } from '../../../queries/count-events.ts'
import { eventById } from '../../../queries/event-by-id.ts'
import { eventsPage } from '../../../queries/events-page.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { StoredEvent } from '../../../queries/sql/event-row.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'

export function addEvents(builder: Builder, trustClass: TrustClassRef) {
  const event = addEvent(builder, trustClass)
  addEventsField(builder, event)
  return event
}

/** Who sent an event: ids of the two classes never collide. */
export function addTrustClass(builder: Builder) {
  return builder.enumType('TrustClass', {
    values: {
      SERVER: { value: 'server', description: 'It came with a secret key.' },
      PUBLIC: {
        value: 'public',
        description: 'It came with a public key, which anyone who opens a page can read.',
      },
    },
  })
}

export type TrustClassRef = ReturnType<typeof addTrustClass>

function addEvent(builder: Builder, trustClass: TrustClassRef) {
  const event = builder.objectRef<StoredEvent>('Event').implement({
    fields: (t) => ({
      id: t.exposeID('id', {
        description: 'The id that the client gave, or the UUID that was assigned.',
      }),
      name: t.exposeString('name'),
      occurredAt: t.expose('occurredAt', { type: 'DateTime' }),
      clientOccurredAt: t.expose('clientOccurredAt', {
        type: 'DateTime',
        nullable: true,
        description:
          "The client's own time, where its clock was wrong and occurredAt was corrected.",
      }),
      receivedAt: t.expose('receivedAt', { type: 'DateTime' }),
      storedAt: t.expose('storedAt', { type: 'DateTime' }),
      actor: t.exposeString('actor', { nullable: true }),
      session: t.exposeString('session', { nullable: true }),
      source: t.exposeString('source', { nullable: true }),
      value: t.exposeFloat('value', { nullable: true }),
      properties: t.field({
        type: 'JSON',
        resolve: ({ properties }, _, { budget }) => budget.json(properties),
      }),
      context: t.field({
        type: 'JSON',
        nullable: true,
        resolve: ({ context }, _, { budget }) => budget.json(context),
      }),
      enrichment: t.field({
        type: 'JSON',
        nullable: true,
        description: `What was derived from the event, for a tenant that declares it: ${ENRICHMENT_FIELDS.join(', ')}, and processed_at. Each but the last is a dimension: enrichment.browser.`,
        resolve: ({ enrichment }, _, { budget }) => budget.json(enrichment),
      }),
      schemaVersion: t.exposeString('schemaVersion', { nullable: true }),
      requestId: t.exposeString('requestId', { nullable: true }),
      trustClass: t.expose('trust', {
        type: trustClass,
        description: 'Who sent it: ids of the two classes never collide.',
      }),
      partition: t.exposeInt('partition', { description: 'The partition of the log.' }),
      offset: t.exposeString('offset', { description: 'The offset in that partition.' }),
    }),
  })

  builder.queryField('event', (t) =>
    t.field({
      ...needs('events.read'),
      type: event,
      nullable: true,
      description:
        "The event with this id: the client's own, or its UUID. Where a server and a page sent the same id, the server's.",
      args: { tenant: t.arg.id(), id: t.arg.id({ required: true }) },
      async resolve(_, { tenant, id }, context, info) {
        const viewer = await context.tenant(tenant)
        return (await context.run(eventById, viewer, { id }, info)).rows[0]
      },
    }),
  )

  return event
}

function addEventsField(builder: Builder, event: EventRef): void {
  builder.queryField('events', (t) =>
    t.connection(
      {
        ...needs('events.read'),
        type: event,
        description: `Newest received first; at most ${QUERY_LIMITS.eventsPageMax} on a page.
With startTime and endTime those that \`metrics\` counts in that range, by the same filter. startTime, endTime, filter and requestId are looked for
among single events: QUERY_TOO_SLOW where the range has too many.`,
        // The list of edges counts tenfold by itself.
        complexity: ({ first, last }) => ({
          field: 5,
          multiplier: Math.ceil((first ?? last ?? QUERY_LIMITS.eventsPageDefault) / 10),
        }),
        args: {
          tenant: t.arg.id(),
          name: t.arg.string(),
          startTime: t.arg({ type: 'DateTime' }),
          endTime: t.arg({ type: 'DateTime' }),
          filter: t.arg({ type: ['DimensionFilter'] }),
          requestId: t.arg.string(),
          idempotencyKey: t.arg.string({
            description:
              'Events of requests with this Idempotency-Key, whatever key of the tenant they came with.',
          }),
        },
        async resolve(_, { tenant, ...args }, context, info) {
          const viewer = await context.tenant(tenant)
          const { rows, pageInfo } = await context.run(eventsPage, viewer, args, info)
          const { name, startTime, endTime, filter, requestId, idempotencyKey } = args
          return {
            edges: rows,
            pageInfo,
            counted: {
              viewer,
              args: { name, startTime, endTime, filter, requestId, idempotencyKey },
            },
          }
        },
      },
      {
        name: 'EventConnection',
        fields: (t) => ({
          totalCount: t.float({
            description:
              'Events on all pages of a search: by startTime, endTime, filter, requestId or idempotencyKey.',
            // They are read one by one, as for `metrics` with a filter.
            complexity: 25,
            async resolve({ counted: { viewer, args } }, _, context, info) {
              return (await context.run(countEvents, viewer, args, info)).rows[0] ?? 0
            },
          }),
        }),
      },
      { name: 'EventEdge' },
    ),
  )
}

export type EventRef = ReturnType<typeof addEvent>
