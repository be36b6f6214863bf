import { partitionFor } from '../../../contract/log/partitioner.ts'
import { recordEncoder } from '../../../contract/log/record.ts'
import { recordKey, TOPICS } from '../../../contract/log/topics.ts'
import { CANARY_TENANT } from '../../db/tables/system-tenants.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { Log } from '../../log/log.ts'
import { CANARY_EVENT, type CanaryKey } from './canary-key.ts'

export interface Canary {
  id: string
  /** Decides the partition, so that one that failed is followed by one that goes to the same. */
  actor: string
}

export type Delivery =
  | { kind: 'accepted'; partition: number; offset: number; isRedisAway: boolean }
  /** `code` of contract/errors.ts; undefined: the edge did not respond, or not as an edge does. */
  | { kind: 'refused'; code: string | undefined }

/** Edges wait 3 s for the log. */
const RESPONSE_MS_MAX = 5_000
const RESPONSE_BYTES_MAX = 16_384
const APPEND_MS_MAX = 3_000

/** As any customer's server sends an event. */
export async function sendToEdge(edge: string, key: string, canary: Canary): Promise<Delivery> {
  try {
    const response = await fetch(`${edge}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ event_id: canary.id, name: CANARY_EVENT, actor: canary.actor }),
      // A key is sent to the configured host and to none that it names.
      redirect: 'error',
      signal: AbortSignal.timeout(RESPONSE_MS_MAX),
    })
    const body = await readJson(response)
    if (response.status !== 202) return { kind: 'refused', code: text(body.code) }
    const [event] = Array.isArray(body.events) ? body.events : []
    if (!Number.isInteger(event?.partition) || !Number.isInteger(event?.offset))
      return { kind: 'refused', code: undefined }
    return {
      kind: 'accepted',
      partition: event.partition,
      offset: event.offset,
      isRedisAway: response.headers.get('sluice-degraded')?.startsWith('redis') === true,
    }
  } catch {
    return { kind: 'refused', code: undefined }
  }
}

async function readJson(response: Response): Promise<Record<string, unknown>> {
  let body = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    body += decoder.decode(chunk, { stream: true })
    if (body.length > RESPONSE_BYTES_MAX) throw new Error('the response is too long')
  }
  return Object(JSON.parse(body))
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** As an edge appends an event. @throws the log's error, or after three seconds */
export async function appendToLog(
  log: Pick<Log, 'append'>,
  { keyId }: CanaryKey,
  { id, actor }: Canary,
  receivedAt: string,
): Promise<Delivery> {
  const event = { event_id: id, name: CANARY_EVENT, occurred_at: receivedAt, actor, properties: {} }
  const value = recordEncoder({
    ...{ v: 1, tenant: CANARY_TENANT, key: keyId, request_id: id, received_at: receivedAt },
    edge: 'core',
  }).event(JSON.stringify(event), undefined)
  const key = Buffer.from(recordKey(CANARY_TENANT, event))
  const partition = partitionFor(key, TOPICS.raw.partitions)
  const appended = log.append(TOPICS.raw.name, [{ partition, key, value: Buffer.from(value) }])
  const [position] = await withTimeout(APPEND_MS_MAX, 'the log', appended)
  if (!position) throw new Error('the log took no record')
  return { kind: 'accepted', ...position, isRedisAway: false }
}
