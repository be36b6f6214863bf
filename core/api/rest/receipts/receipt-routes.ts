import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import { ApiError } from '../../../lib/api-error.ts'
import type { RestEnv } from '../admit.ts'
import { problems, respond, tableContent } from '../formats.ts'
import type { RunOperation } from '../operation.ts'
import { eventId } from '../schemas.ts'
import { RECEIPT_FIELDS, type ReceiptNode, toRestReceipt } from './receipt-document.ts'
import {
  receipt,
  receiptQuery,
  receiptResponse,
  receiptsMeta,
  receiptsQuery,
} from './receipt-schemas.ts'

const DOCUMENT = `query RestReceipt($tenant: ID, $id: ID!, $trustClass: TrustClass) {
  receipt(tenant: $tenant, eventId: $id, trustClass: $trustClass) { ${RECEIPT_FIELDS} }
}`

const LIST_DOCUMENT = `query RestReceipts($tenant: ID, $requestId: String, $idempotencyKey: String) {
  receipts(tenant: $tenant, requestId: $requestId, idempotencyKey: $idempotencyKey) { hasMore receipts { ${RECEIPT_FIELDS} } }
}`

const list = createRoute({
  method: 'get',
  path: '/v1/receipts',
  tags: ['Queries'],
  summary: 'What became of the events of a request',
  description:
    'By the id that the edge gave it, or by its Idempotency-Key; none where nothing is known of it.',
  request: { query: receiptsQuery },
  responses: { 200: tableContent(receipt, receiptsMeta), ...problems },
})

const one = createRoute({
  method: 'get',
  path: '/v1/receipts/{id}',
  tags: ['Queries'],
  summary: 'What became of an event',
  description:
    "By the client's id or the UUID. 404 with a reason where nothing is found: never_seen (since when everything is known), other_trust_class, or older_than_kept.",
  request: { params: eventId, query: receiptQuery },
  responses: { 200: receiptResponse, ...problems },
})

export function addReceiptRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(list, async (c) => {
    const { tenant, request_id, idempotency_key } = c.req.valid('query')
    const variables = { tenant, requestId: request_id, idempotencyKey: idempotency_key }
    const { data } = await runOperation<ReceiptsData>(c, LIST_DOCUMENT, variables)
    const { receipts, hasMore } = data.receipts
    return respond(c, { rows: receipts.map(toRestReceipt), meta: { has_more: hasMore } })
  })

  app.openapi(one, async (c) => {
    const { id } = c.req.valid('param')
    const { tenant, trust_class } = c.req.valid('query')
    const variables = { tenant, id, trustClass: trust_class?.toUpperCase() }
    const { data } = await runOperation<{ receipt: ReceiptNode }>(c, DOCUMENT, variables)
    return respond(c, { row: foundReceipt(data.receipt) })
  })
}

interface ReceiptsData {
  receipts: { receipts: ReceiptNode[]; hasMore: boolean }
}

/** @throws RECEIPT_NOT_FOUND with the reason */
function foundReceipt(node: ReceiptNode) {
  const { notFound, removed } = node
  if (notFound === null) return toRestReceipt(node)
  throw new ApiError('RECEIPT_NOT_FOUND', undefined, {
    reason: notFound.reason.toLowerCase(),
    since: notFound.since,
    removed: removed && { day: removed.day, dropped_at: removed.droppedAt },
    records_in_flight: notFound.recordsInFlight,
    in_flight_since: notFound.inFlightSince,
  })
}
