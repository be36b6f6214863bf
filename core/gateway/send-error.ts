import type { Context } from 'hono'
import type { KafkaRestErrorBody } from '../../contract/log/kafka-rest.ts'
import { KafkaRestError, type KafkaRestErrorCode } from './kafka-rest-error.ts'

/** An error as Upstash's REST API has it: a sentence and the HTTP status. */
export function sendError(c: Context, error: KafkaRestError, headers = {}): Response {
  const { status, message, retryAfterSeconds } = error
  return c.json({ error: message, status } satisfies KafkaRestErrorBody, status, {
    ...(retryAfterSeconds !== undefined && { 'Retry-After': String(retryAfterSeconds) }),
    ...headers,
  })
}

export function sendErrorCode(
  c: Context,
  code: KafkaRestErrorCode,
  detail: string,
  headers = {},
): Response {
  return sendError(c, new KafkaRestError(code, detail), headers)
}
