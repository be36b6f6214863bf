import type {
  Accepted,
  NotFound,
  NotFoundReason,
  Receipt,
  ReceiptOutcome,
} from '../../../queries/receipts/parts/find-receipt.ts'
import { REPETITIONS_MAX } from '../../../queries/receipts/parts/repetitions.ts'
import { receipt } from '../../../queries/receipts/receipt.ts'
import { RECEIPTS_MAX, type Receipts, receipts } from '../../../queries/receipts/receipts.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'
import type { TrustClassRef } from './events.ts'

export function addReceipt(builder: Builder, trustClass: TrustClassRef): void {
  const type = addType(builder, trustClass)
  addReceipts(builder, type)
  addOne(builder, type, trustClass)
}

type ReceiptRef = ReturnType<typeof addType>

function addType(builder: Builder, trustClass: TrustClassRef) {
  const outcome = builder.enumType('ReceiptOutcome', { values: OUTCOMES })
  const { accepted, stored, duplicate, deadLetter, removed } = addParts(builder)
  const notFound = addNotFound(builder)
  return builder.objectRef<Receipt>('Receipt').implement({
    description: 'What became of an event.',
    fields: (t) => ({
      eventId: t.exposeID('eventId', {
        nullable: true,
        description: 'Null for a dead letter whose record names no event.',
      }),
      outcome: t.expose('outcome', { type: outcome }),
      trustClass: t.expose('trust', { type: trustClass, nullable: true }),
      accepted: t.expose('accepted', { type: accepted, nullable: true }),
      processedAt: t.expose('processedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When a worker applied it.',
      }),
      stored: t.expose('stored', { type: stored, nullable: true }),
      duplicates: t.field({
        type: [duplicate],
        description: `Times that it came again, oldest first; at most ${REPETITIONS_MAX}.`,
        resolve: ({ duplicates }) => [...duplicates],
      }),
      hasMoreDuplicates: t.exposeBoolean('hasMoreDuplicates'),
      deadLetters: t.field({
        type: [deadLetter],
        description: `Newest first; at most ${REPETITIONS_MAX}.`,
        resolve: ({ deadLetters }) => [...deadLetters],
      }),
      removed: t.expose('removed', {
        type: removed,
        nullable: true,
        description: 'The day of receipt that the retention dropped, where it is known.',
      }),
      notFound: t.expose('notFound', { type: notFound, nullable: true }),
    }),
  })
}

function addOne(builder: Builder, type: ReceiptRef, trustClass: TrustClassRef): void {
  builder.queryField('receipt', (t) =>
    t.field({
      ...needs('events.read'),
      type,
      description:
        "What became of the event with this id: the client's own, or its UUID. It has a row, and a reason, where nothing is found.",
      complexity: 10,
      args: {
        tenant: t.arg.id(),
        eventId: t.arg.id({ required: true }),
        trustClass: t.arg({
          type: trustClass,
          description: "Both unless given; a server's event comes first.",
        }),
      },
      resolve: async (_, { tenant, ...args }, context, info) => {
        const { rows } = await context.run(receipt, await context.tenant(tenant), args, info)
        return rows[0] as Receipt
      },
    }),
  )
}

function addReceipts(builder: Builder, type: ReceiptRef): void {
  const list = builder.objectRef<Receipts>('Receipts').implement({
    fields: (t) => ({
      receipts: t.field({ type: [type], resolve: ({ rows }) => [...rows] }),
      hasMore: t.exposeBoolean('hasMore', {
        description: `There are more than ${RECEIPTS_MAX}.`,
      }),
    }),
  })
  builder.queryField('receipts', (t) =>
    t.field({
      ...needs('events.read'),
      type: list,
      description:
        'What became of the events of a request, by its id or its Idempotency-Key; none where nothing is known of it.',
      complexity: 100,
      args: {
        tenant: t.arg.id(),
        requestId: t.arg.string({
          description: 'As the edge made it: the X-Request-Id of its response.',
        }),
        idempotencyKey: t.arg.string(),
      },
      resolve: async (_, { tenant, ...args }, context, info) =>
        context.run(receipts, await context.tenant(tenant), args, info),
    }),
  )
}

const OUTCOMES = {
  STORED: { description: 'It counts.' },
  DEAD: { description: 'It is a dead letter.' },
  REMOVED: {
    description: 'It was stored, and the retention dropped its day: a duplicate of it is known.',
  },
  NOT_FOUND: { description: 'None of them; notFound has the reason.' },
} as const satisfies Record<ReceiptOutcome, object>

function addParts(builder: Builder) {
  const accepted = builder.objectRef<Accepted>('ReceiptAccepted').implement({
    fields: (t) => ({
      at: t.expose('at', { type: 'DateTime', description: 'By the clock of the edge.' }),
      requestId: t.exposeString('requestId', { nullable: true }),
      keyId: t.exposeID('keyId', { nullable: true, description: 'Of the API key.' }),
      keyName: t.exposeString('keyName', { nullable: true }),
      partition: t.exposeInt('partition', { description: 'The partition of the log.' }),
      offset: t.exposeString('offset', { description: 'The offset in that partition.' }),
    }),
  })
  const countedBy = builder
    .objectRef<NonNullable<Receipt['stored']>['countedBy'][number]>('ReceiptCountedBy')
    .implement({
      fields: (t) => ({
        metric: t.exposeString('metric', { description: 'An event name or a declared metric.' }),
        kind: t.exposeString('kind', { description: 'event or metric.' }),
        version: t.exposeInt('version'),
        bucket: t.expose('bucket', {
          type: 'DateTime',
          description: 'Start of the 15-minute bucket.',
        }),
      }),
    })
  const stored = builder.objectRef<NonNullable<Receipt['stored']>>('ReceiptStored').implement({
    fields: (t) => ({
      day: t.exposeString('day', { description: 'On which it was received, in UTC.' }),
      countedBy: t.field({
        type: [countedBy],
        description: 'The numbers that have it.',
        resolve: ({ countedBy }) => [...countedBy],
      }),
    }),
  })
  const duplicate = builder.objectRef<Receipt['duplicates'][number]>('ReceiptDuplicate').implement({
    fields: (t) => ({
      receivedAt: t.expose('receivedAt', { type: 'DateTime' }),
      processedAt: t.expose('processedAt', { type: 'DateTime' }),
      requestId: t.exposeString('requestId', { nullable: true }),
      keyId: t.exposeID('keyId', { nullable: true }),
      partition: t.exposeInt('partition'),
      offset: t.exposeString('offset'),
      conflicting: t.exposeBoolean('conflicting', {
        description: 'Its content differs from that of the stored event.',
      }),
    }),
  })
  const deadLetter = builder
    .objectRef<Receipt['deadLetters'][number]>('ReceiptDeadLetter')
    .implement({
      fields: (t) => ({
        id: t.exposeID('id'),
        reason: t.exposeString('reason', { description: 'A code of docs/errors.md.' }),
        state: t.exposeString('state', { description: 'open, replayed or discarded.' }),
        receivedAt: t.expose('receivedAt', { type: 'DateTime' }),
        deadAt: t.expose('deadAt', { type: 'DateTime' }),
        format: t.exposeString('format', { nullable: true, description: 'The ingest format.' }),
        requestId: t.exposeString('requestId', { nullable: true }),
        partition: t.exposeInt('partition'),
        offset: t.exposeString('offset'),
      }),
    })
  const removed = builder.objectRef<NonNullable<Receipt['removed']>>('ReceiptRemoved').implement({
    fields: (t) => ({
      day: t.exposeString('day'),
      droppedAt: t.expose('droppedAt', { type: 'DateTime' }),
    }),
  })
  return { accepted, stored, duplicate, deadLetter, removed }
}

function addNotFound(builder: Builder) {
  const reason = builder.enumType('ReceiptNotFoundReason', { values: REASONS })
  return builder.objectRef<NotFound>('ReceiptNotFound').implement({
    fields: (t) => ({
      reason: t.expose('reason', { type: reason }),
      since: t.expose('since', {
        type: 'DateTime',
        description: 'How far back everything is known, by the time of receipt.',
      }),
      recordsInFlight: t.float({
        description:
          'Records of the tenant that the log has and no worker has applied yet: it may be one of them.',
        resolve: ({ inFlight }) => inFlight.records,
      }),
      inFlightSince: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'The minute in which the oldest of them was received.',
        resolve: ({ inFlight }) => inFlight.since,
      }),
    }),
  })
}

const REASONS = {
  NEVER_SEEN: { description: 'Not since `since`.' },
  OTHER_TRUST_CLASS: { description: 'An event of the other trust class has this id.' },
  OLDER_THAN_KEPT: { description: 'The time in its id is on a day whose events were dropped.' },
} as const satisfies Record<NotFoundReason, object>
