import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ItemError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import type { Database } from '../core/db/database.ts'
import { type Receipts, waitForOutcomes } from './outcomes.ts'

export interface Summary {
  accepted: number
  rejected: number
  /** Of those accepted; the worker knows, so null where its database is out of reach. */
  duplicate: number | null
  dead: number | null
  seconds: number
  /** The first of them. */
  errors: ItemError[]
}

export interface SendOptions {
  url: string
  key: string
  historical?: boolean
  /** Each with an id already: a batch may be sent more than once. */
  events: readonly Record<string, unknown>[]
  /** Where to ask what became of them. */
  db?: Database
  onProgress?: (done: number) => void
}

const BATCH_EVENTS = 500
const BATCH_BYTES_MAX = LIMITS.bodyBytesMax - 1_024
const TRIES = 6
const SEND_MS_MAX = 15_000
const ERRORS_SHOWN = 10
const SENT_AGAIN =
  'What was accepted before stays. Sent again, an event with an event_id counts once, any other anew.'

/** Sends all of them in batches, trying again what may succeed later. @throws when the edge keeps refusing */
export async function sendEvents(options: SendOptions): Promise<Summary> {
  const started = Date.now()
  const receipts: Receipts = { requestIds: [], lastOffsets: new Map(), since: new Date(started) }
  const summary: Summary = {
    accepted: 0,
    rejected: 0,
    duplicate: null,
    dead: null,
    seconds: 0,
    errors: [],
  }
  let done = 0
  for (const batch of inBatches(options.events)) {
    const requestId = randomUUID()
    receipts.requestIds.push(requestId)
    const answer = await sendBatch(options, batch, requestId)
    summary.accepted += answer.accepted
    summary.rejected += answer.rejected
    for (const { partition, offset } of answer.events)
      receipts.lastOffsets.set(
        partition,
        Math.max(offset, receipts.lastOffsets.get(partition) ?? 0),
      )
    for (const error of answer.errors)
      if (summary.errors.length < ERRORS_SHOWN)
        summary.errors.push({ ...error, index: error.index + done })
    done += batch.length
    options.onProgress?.(done)
  }
  summary.seconds = (Date.now() - started) / 1000
  const fates = options.db && (await waitForOutcomes(options.db, receipts))
  if (fates) {
    summary.dead = fates.dead
    summary.duplicate = summary.accepted - fates.stored - fates.dead
  }
  return summary
}

interface Answer {
  accepted: number
  rejected: number
  events: { partition: number; offset: number }[]
  errors: ItemError[]
}

async function sendBatch(
  { url, key, historical }: SendOptions,
  batch: readonly object[],
  requestId: string,
): Promise<Answer> {
  const body = `{"events":[${batch.map((event) => JSON.stringify(event)).join(',')}]}`
  let why = ''
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const response = await fetch(`${url}/v1/events${historical ? '?historical=true' : ''}`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${key}`,
        'Content-Type': 'application/json',
        'X-Request-Id': requestId,
      },
      body,
      signal: AbortSignal.timeout(SEND_MS_MAX),
    }).catch((error: Error) => error)
    if (response instanceof Error) {
      why = response.message
      await sleep(backoffMs(attempt))
      continue
    }
    const answer = (await response.json().catch(() => ({}))) as Partial<Answer> & {
      code?: string
      detail?: string
    }
    if (response.status === 202)
      return { accepted: 0, rejected: 0, events: [], errors: [], ...answer }
    if (answer.code === 'EVENTS_INVALID')
      return { accepted: 0, rejected: batch.length, events: [], errors: answer.errors ?? [] }
    why = `${response.status} ${answer.code ?? ''} ${answer.detail ?? ''}`.trim()
    if (![408, 409, 429].includes(response.status) && response.status < 500)
      throw Object.assign(new Error(`The edge refuses: ${why}`), {
        hint: SENT_AGAIN,
      })
    await sleep(
      Math.max(backoffMs(attempt), 1_000 * Number(response.headers.get('Retry-After') ?? 0)),
    )
  }
  throw Object.assign(new Error(`The edge did not take a batch in ${TRIES} tries: ${why}`), {
    hint: SENT_AGAIN,
  })
}

function backoffMs(attempt: number): number {
  return 200 * 2 ** attempt * (0.5 + Math.random() / 2)
}

function* inBatches(
  events: readonly Record<string, unknown>[],
): Generator<Record<string, unknown>[]> {
  let batch: Record<string, unknown>[] = []
  let bytes = 0
  for (const event of events) {
    const size = Buffer.byteLength(JSON.stringify(event)) + 1
    if (batch.length === BATCH_EVENTS || (batch.length > 0 && bytes + size > BATCH_BYTES_MAX)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(event)
    bytes += size
  }
  if (batch.length > 0) yield batch
}
