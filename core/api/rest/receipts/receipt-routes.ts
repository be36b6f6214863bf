import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import { ApiError } from '../../../lib/api-error.ts'
import type { RestEnv } from '../admit.ts'
import { problems, respond } from '../formats.ts'
import type { RunOperation } from '../operation.ts'
import { eventId } from '../schemas.ts'
import { RECEIPT_FIELDS, type ReceiptNode, toRestReceipt } from './receipt-document.ts'
import { receiptQuery, receiptResponse } from './receipt-schemas.ts'

const DOCUMENT = `query RestReceipt($tenant: ID, $id: ID!, $trustClass: TrustClass) {
  receipt(tenant: $tenant, eventId: $id, trustClass: $trustClass) { ${RECEIPT_FIELDS} }
}`

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
  app.openapi(one, async (c) => {
    const { id } = c.req.valid('param')
    const { tenant, trust_class } = c.req.valid('query')
    const variables = { tenant, id, trustClass: trust_class?.toUpperCase() }
    const { data } = await runOperation<{ receipt: ReceiptNode }>(c, DOCUMENT, variables)
    return respond(c, { row: foundReceipt(data.receipt) })
  })
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
