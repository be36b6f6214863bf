import { withoutKeys } from '../../contract/api-key.ts'
import { trustClassOf } from '../../contract/event/trust-class.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { ProduceRecord } from '../../contract/log/kafka-rest.ts'
import { type EventNotes, recordEncoder, type Stamp } from '../../contract/log/record.ts'
import { recordKey, TOPICS } from '../../contract/log/topics.ts'
import type { AuthenticatedRequest } from '../auth/authenticate.ts'
import type { IncomingBatch, InvalidItem } from '../formats/ingest-format.ts'
import { base64 } from '../lib/bytes.ts'
import type { EventChunk, ValidationResult } from './validate-events.ts'

/** What every record of a request says about where it came from. */
export interface Origin {
  route: string
  /** Which edge received it. */
  edge: string
}

/** One record for each accepted event, in their order, then one for each dead letter. */
export function buildRecords(
  request: AuthenticatedRequest,
  { batch, receivedMs }: EventChunk,
  { accepted, warnings }: Pick<ValidationResult, 'accepted' | 'warnings'>,
  deadLetters: readonly InvalidItem[],
  origin: Origin,
): ProduceRecord[] {
  const stamp = stampOf(request, batch, receivedMs, origin)
  const { tenant, request_id } = stamp
  const encode = recordEncoder(stamp)
  const warned = new Set(warnings.map(({ index }) => index))
  const records = accepted.map(
    ({ index, event, json, partitionKey }): ProduceRecord => ({
      topic: TOPICS.raw.name,
      key: partitionKey === undefined ? recordKey(tenant, event) : `${tenant}:${partitionKey}`,
      value: encode.event(json, notesOf(batch, index, warned.has(index))),
    }),
  )
  for (const { index, errors } of deadLetters)
    records.push({
      topic: TOPICS.raw.name,
      key: `${tenant}:${request_id}`,
      value: encode.invalid({
        refused: errors.slice(0, FAULTS_MAX).map(({ index: _, ...fault }) => fault),
        ...storedOriginal(batch, index),
      }),
    })
  return records
}

function stampOf(
  { c, key, historical }: AuthenticatedRequest,
  batch: IncomingBatch,
  receivedMs: number,
  { route, edge }: Origin,
): Stamp {
  return {
    v: 1,
    tenant: key.tenant,
    key: key.key_id,
    request_id: c.get('requestId'),
    received_at: new Date(receivedMs).toISOString(),
    edge,
    route,
    client: clientOf(c.req.raw, batch),
    origin: originOf(c.req.raw),
    trust: trustClassOf(key.kind) === 'public' ? 'public' : undefined,
    historical: historical || undefined,
  }
}

/** @param warned the worker is expected to make a dead letter of it */
function notesOf(batch: IncomingBatch, index: number, warned: boolean): EventNotes | undefined {
  const isComputed = batch.items[index]?.timeIsComputed === true
  if (!warned && !isComputed) return undefined
  return {
    ...(warned && { original: originalOf(batch, index) }),
    ...(isComputed && { time: 'computed' as const }),
  }
}

/** Of one event, in its dead letter. */
const FAULTS_MAX = 20

/** Byte for byte but for one thing: dead letters are stored, and keys never are. */
function originalOf(batch: IncomingBatch, index: number): string {
  const sent = batch.original(index)
  return batch.base64 ? btoa(withoutKeys(atob(sent))) : withoutKeys(sent)
}

/** JSON takes six bytes for a control character; a body of these would become a record that no log takes. */
function storedOriginal(batch: IncomingBatch, index: number): { original: string; base64?: true } {
  const original = originalOf(batch, index)
  if (batch.base64) return { original, base64: true }
  if (original.length <= LIMITS.eventBytesMax) return { original }
  if (JSON.stringify(original).length <= 2 * original.length) return { original }
  return { original: base64(new TextEncoder().encode(original)), base64: true }
}

/** The library's own name, or its User-Agent; only what can be printed and stored. */
function clientOf(request: Request, { client }: IncomingBatch): string | undefined {
  const name = client ?? request.headers.get('user-agent') ?? ''
  return name.replace(UNPRINTABLE, '').slice(0, LIMITS.labelCharsMax) || undefined
}

/** Of a browser; `null`, as sandboxed pages send it, is none. */
function originOf(request: Request): string | undefined {
  const origin = request.headers.get('origin') ?? ''
  const isOrigin = /^https?:\/\/[\x21-\x7e]+$/.test(origin) && origin.length <= LIMITS.labelCharsMax
  return isOrigin ? origin : undefined
}

const UNPRINTABLE = /[^\x20-\x7e]/g
