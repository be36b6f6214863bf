import { withoutKeys } from '../../contract/api-key.ts'
import type { ItemError } from '../../contract/errors.ts'
import { clockSkew, readTime } from '../../contract/event/time.ts'
import { derivedEventId, uuidV7Series } from '../../contract/event/uuid.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { ProduceRecord, ProduceResult } from '../../contract/log/kafka-rest.ts'
import { recordEncoder } from '../../contract/log/record.ts'
import { recordKey, TOPICS } from '../../contract/log/topics.ts'
import type { IncomingBatch } from '../formats/ingest-format.ts'
import { allInvalidProblem } from '../formats/json-response.ts'
import type { EdgeContext } from '../http/context.ts'
import { respond } from '../http/respond.ts'
import { base64 } from '../lib/bytes.ts'
import type { Publish } from '../publish/publisher.ts'
import { truncateErrors, validateEvents } from './validate-events.ts'

export interface IngestDeps {
  publish: Publish
  edgeNameOf: (request: Request) => string
}

/** Judge, stamp, publish, answer. */
export function ingest({ publish, edgeNameOf: nameOf }: IngestDeps) {
  return async (c: EdgeContext) => {
    const way = c.get('way')
    const incoming = c.get('incoming')
    const receivedMs = c.get('receivedMs')
    const receivedAt = new Date(receivedMs).toISOString()
    const { tenant, event_age_max_s, schema_versions } = c.get('key')
    const judged = validateEvents(incoming.items, {
      receivedMs,
      receivedAt,
      eventAgeMaxMs: c.get('historical') ? Number.POSITIVE_INFINITY : event_age_max_s * 1000,
      shiftMs: skewOf(incoming, receivedMs),
      schemaVersions: schema_versions ?? null,
      hasNoEscapes: incoming.hasNoEscapes,
      eventId: await chooseIds(c, incoming.items.length, receivedMs),
    })
    if (way.onInvalid === 'reject' && judged.accepted.length === 0 && incoming.items.length > 0)
      throw allInvalidProblem(incoming.isSingleEvent, truncateErrors(judged.errors))

    const dead = way.onInvalid === 'reject' ? [] : byIndex(judged.errors)
    const encode = recordEncoder({
      v: 1,
      tenant,
      key: c.get('key').key_id,
      request_id: c.get('requestId'),
      received_at: receivedAt,
      edge: nameOf(c.req.raw),
      route: way.route,
      client: clientOf(c, incoming),
      historical: c.get('historical') || undefined,
    })
    // Byte for byte but for one thing: dead letters are stored, and keys never are.
    const original = (index: number) => {
      const sent = incoming.original(index)
      return incoming.base64 ? btoa(withoutKeys(atob(sent))) : withoutKeys(sent)
    }
    const kept = (index: number) =>
      incoming.base64
        ? { original: original(index), base64: true as const }
        : short(original(index))
    const foreseen = new Set(judged.warnings.map(({ index }) => index))
    const records: ProduceRecord[] = judged.accepted.map(
      ({ index, event, json, partitionKey }) => ({
        topic: TOPICS.raw.name,
        key: partitionKey === undefined ? recordKey(tenant, event) : `${tenant}:${partitionKey}`,
        value: encode.event(json, foreseen.has(index) ? original(index) : undefined),
      }),
    )
    for (const { index, errors } of dead)
      records.push({
        topic: TOPICS.raw.name,
        key: `${tenant}:${c.get('requestId')}`,
        value: encode.invalid({
          refused: errors.slice(0, FAULTS_MAX).map(({ index: _, ...fault }) => fault),
          ...kept(index),
        }),
      })
    const positions = records.length === 0 ? [] : await publish(records)
    const said = way.buildResponse({
      requestId: c.get('requestId'),
      incoming,
      accepted: judged.accepted.map(({ index, event }, i) => {
        const { partition, offset } = positions[i] as ProduceResult
        return { index, event, partition, offset }
      }),
      deadLetters: dead,
      errors: way.onInvalid === 'reject' ? truncateErrors(judged.errors) : [],
      warnings: judged.warnings,
    })
    c.set('said', said)
    return respond(c, said)
  }
}

/** Of one event, in its dead letter. */
const FAULTS_MAX = 20

/** JSON takes six bytes for a control character; a body of these would become a record that no log takes. */
function short(original: string): { original: string; base64?: true } {
  if (original.length <= LIMITS.eventBytesMax) return { original }
  if (JSON.stringify(original).length <= 2 * original.length) return { original }
  return { original: base64(new TextEncoder().encode(original)), base64: true }
}

function byIndex(errors: readonly ItemError[]): { index: number; errors: ItemError[] }[] {
  const found = new Map<number, ItemError[]>()
  for (const error of errors) {
    const same = found.get(error.index)
    if (same) same.push(error)
    else found.set(error.index, [error])
  }
  return [...found].map(([index, errors]) => ({ index, errors }))
}

/** A time of sending that cannot be read repairs nothing. */
function skewOf({ sentAt }: IncomingBatch, receivedMs: number): number {
  if (sentAt === undefined || sentAt === null) return 0
  const read = readTime(sentAt)
  return read.ok ? clockSkew(Date.parse(read.time), receivedMs) : 0
}

/** The library's own word, or its User-Agent; only what can be printed and stored. */
export function clientOf(
  c: EdgeContext,
  { client }: Pick<IncomingBatch, 'client'>,
): string | undefined {
  const said = client ?? c.req.raw.headers.get('user-agent') ?? ''
  return said.replace(UNPRINTABLE, '').slice(0, LIMITS.labelCharsMax) || undefined
}

const UNPRINTABLE = /[^\x20-\x7e]/g

/** Ids for events that came without: from the Idempotency-Key, so that a retry gives the same ones, else new. */
async function chooseIds(
  c: EdgeContext,
  count: number,
  receivedMs: number,
): Promise<(index: number) => string> {
  const idempotencyKey = c.get('idempotencyKey')
  if (idempotencyKey === undefined) return uuidV7Series(receivedMs)
  const { tenant } = c.get('key')
  const ids = await Promise.all(
    Array.from({ length: count }, (_, index) => derivedEventId(tenant, idempotencyKey, index)),
  )
  return (index) => ids[index] as string
}
