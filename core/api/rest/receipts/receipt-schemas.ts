import { z } from '@hono/zod-openapi'
import { RECEIPTS_MAX } from '../../../queries/receipts/receipts.ts'
import { tenantQuery } from '../schemas.ts'

const time = z.string().openapi({ format: 'date-time' })
const position = {
  partition: z.number().int().openapi({ description: 'Of the log.' }),
  offset: z.string(),
}

export const receipt = z
  .object({
    event_id: z.string().nullable().openapi({
      description: 'Null for a dead letter whose record names no event.',
    }),
    outcome: z.enum(['stored', 'dead', 'removed']).openapi({
      description:
        'removed: it was stored, and the retention dropped its day; a duplicate of it is known.',
    }),
    trust_class: z.enum(['server', 'public']).nullable(),
    accepted: z
      .object({
        at: time,
        request_id: z.string().nullable(),
        key_id: z.string().nullable(),
        key_name: z.string().nullable(),
        ...position,
      })
      .nullable()
      .openapi({ description: 'The record that is stored, or the newest dead letter.' }),
    processed_at: time.nullable().openapi({ description: 'When a worker applied it.' }),
    stored: z
      .object({
        day: z.string().openapi({ description: 'On which it was received, in UTC.' }),
        counted_by: z.array(
          z.object({
            metric: z.string(),
            kind: z.enum(['event', 'metric']),
            version: z.number().int(),
            bucket: time.openapi({ description: 'Start of the 15-minute bucket.' }),
          }),
        ),
      })
      .nullable(),
    duplicates: z.array(
      z.object({
        received_at: time,
        processed_at: time,
        request_id: z.string().nullable(),
        key_id: z.string().nullable(),
        ...position,
        conflicting: z.boolean().openapi({
          description: 'Its content differs from that of the stored event.',
        }),
      }),
    ),
    has_more_duplicates: z.boolean(),
    dead_letters: z.array(
      z.object({
        id: z.string(),
        reason: z.string().openapi({ description: 'A code of docs/errors.md.' }),
        state: z.enum(['open', 'replayed', 'discarded']),
        received_at: time,
        dead_at: time,
        format: z.string().nullable(),
        request_id: z.string().nullable(),
        ...position,
      }),
    ),
    removed: z.object({ day: z.string(), dropped_at: time }).nullable(),
  })
  .openapi('Receipt')

export const receiptQuery = tenantQuery.extend({
  trust_class: z.enum(['server', 'public']).optional().openapi({
    description: "Both unless given; a server's event comes first.",
  }),
})

export const receiptResponse = {
  description: 'The receipt.',
  content: { 'application/json': { schema: z.object({ data: receipt }) } },
}

export const receiptsQuery = tenantQuery.extend({
  request_id: z.string().optional().openapi({
    description: 'As the edge made it: the X-Request-Id of its response.',
  }),
  idempotency_key: z.string().optional(),
})

export const receiptsMeta = z
  .object({
    has_more: z.boolean().openapi({ description: `There are more than ${RECEIPTS_MAX}.` }),
  })
  .openapi('ReceiptsMeta')
