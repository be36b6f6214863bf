import { sha256Hex } from '../../contract/api-key.ts'
import { trustClassOf } from '../../contract/event/trust-class.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { AuthenticatedRequest } from '../auth/authenticate.ts'
import { HttpProblem } from '../http/http-problem.ts'
import type { ReadRequest } from '../ingest/read-events.ts'
import type { IdempotentRequest } from './idempotency.ts'

/** What the client asks to be done once; undefined without an Idempotency-Key. @throws IDEMPOTENCY_KEY_INVALID */
export async function readIdempotentRequest(
  request: AuthenticatedRequest & ReadRequest,
): Promise<(IdempotentRequest & { content: string }) | undefined> {
  const { c, key } = request
  const header = c.req.raw.headers.get('idempotency-key')
  // An image cannot send one.
  if (header === null || c.req.method !== 'POST') return undefined
  const content = await digestContent(request)
  return {
    tenant: key.tenant,
    trust: trustClassOf(key.kind),
    key: readIdempotencyKey(header),
    fingerprint: `${request.format.route} ${request.historical ? 'historical ' : ''}${content}`,
    content,
  }
}

/** Both spellings in use: `"abc"`, as the IETF draft has it, and bare `abc`. They are the same key. */
export function readIdempotencyKey(header: string): string {
  const sent = header.trim()
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(sent)?.[1]
  const key = quoted?.replace(/\\(["\\])/g, '$1') ?? sent
  if (quoted === undefined && sent.startsWith('"')) throw new HttpProblem('IDEMPOTENCY_KEY_INVALID')
  if (key.length > LIMITS.idempotencyKeyCharsMax || !/^[\x21-\x7e]+$/.test(key))
    throw new HttpProblem('IDEMPOTENCY_KEY_INVALID')
  return key
}

/** Of the events as they were sent, wherever they stand. */
async function digestContent({ batch, bytes }: ReadRequest): Promise<string> {
  const body = await sha256Hex(bytes)
  // Hashed as well: headers may be long, and a fingerprint is kept for half an hour.
  const extra =
    batch.fingerprintExtra === undefined ? '' : ` ${await sha256Hex(batch.fingerprintExtra)}`
  return `${body}${extra}`
}
