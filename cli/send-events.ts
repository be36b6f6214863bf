import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ItemError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import type { Database } from '../core/db/database.ts'
import { backoffMs } from '../core/lib/backoff.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { type SendReport, waitForOutcomes } from './outcomes.ts'

export interface Summary {
  accepted: number
  rejected: number
  /** Of the accepted events; null where the database with the outcomes is out of reach. */
  duplicate: number | null
  dead: number | null
  seconds: number
  /** The first ten errors. */
  errors: ItemError[]
}

export interface SendOptions {
  url: string
  key: string
  historical?: boolean
  /** Each with an id: a batch may be sent more than once. */
  events: readonly Record<string, unknown>[]
  /** Where the outcomes of the events are. */
  db?: Database
  /** Called before each batch is sent for the first time. */
  onRequest?: (requestId: string) => void
  onProgress?: (done: number) => void
}

const BATCH_EVENTS_MAX = 500
const BATCH_BYTES_MAX = LIMITS.bodyBytesMax - 1_024
const ATTEMPTS_MAX = 6
const BACKOFF = { baseMs: 200, jitter: true }
const SEND_MS_MAX = 15_000
const ERRORS_SHOWN_MAX = 10
const RESEND_HINT =
  'Events accepted before this stay stored. If you send them again, only those with an event_id are counted once.'

/** Sends all events in batches, and retries what may succeed later. @throws UsageError when the edge keeps refusing */
export async function sendEvents(options: SendOptions): Promise<Summary> {
  const startedAt = Date.now()
  const report: SendReport = { requestIds: [], lastOffsets: new Map(), since: new Date(startedAt) }
  const summary: Summary = {
    accepted: 0,
    rejected: 0,
    duplicate: null,
    dead: null,
    seconds: 0,
    errors: [],
  }
  let done = 0
  for (const batch of splitIntoBatches(options.events)) {
    const requestId = randomUUID()
    report.requestIds.push(requestId)
    options.onRequest?.(requestId)
    const result = await sendBatch(options, batch, requestId)
    summary.accepted += result.accepted
    summary.rejected += result.rejected
    for (const { partition, offset } of result.events)
      report.lastOffsets.set(partition, Math.max(offset, report.lastOffsets.get(partition) ?? 0))
    for (const error of result.errors)
      if (summary.errors.length < ERRORS_SHOWN_MAX)
        summary.errors.push({ ...error, index: error.index + done })
    done += batch.length
    options.onProgress?.(done)
  }
  summary.seconds = (Date.now() - startedAt) / 1000
  const outcomes = options.db && (await waitForOutcomes(options.db, report))
  if (outcomes) {
    summary.dead = outcomes.dead
    summary.duplicate = summary.accepted - outcomes.stored - outcomes.dead
  }
  return summary
}

interface BatchResult {
  accepted: number
  rejected: number
  events: { partition: number; offset: number }[]
  errors: ItemError[]
}

async function sendBatch(
  options: SendOptions,
  batch: readonly object[],
  requestId: string,
): Promise<BatchResult> {
  const body = `{"events":[${batch.map((event) => JSON.stringify(event)).join(',')}]}`
  let reason = ''
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const response = await post(options, body, requestId).catch((error: Error) => error)
    if (response instanceof Error) {
      reason = response.message
      await sleep(backoffMs(attempt, BACKOFF))
      continue
    }
    const result = (await response.json().catch(() => ({}))) as Partial<BatchResult> & {
      code?: string
      detail?: string
    }
    if (response.status === 202)
      return { accepted: 0, rejected: 0, events: [], errors: [], ...result }
    if (result.code === 'EVENTS_INVALID')
      return { accepted: 0, rejected: batch.length, events: [], errors: result.errors ?? [] }
    reason = `${response.status} ${result.code ?? ''} ${result.detail ?? ''}`.trim()
    if (![408, 409, 429].includes(response.status) && response.status < 500)
      throw new UsageError(`The edge refused a batch: ${reason}`, RESEND_HINT)
    const retryAfterMs = 1_000 * Number(response.headers.get('Retry-After') ?? 0)
    await sleep(Math.max(backoffMs(attempt, BACKOFF), retryAfterMs))
  }
  throw new UsageError(
    `The edge did not accept a batch in ${ATTEMPTS_MAX} attempts: ${reason}`,
    RESEND_HINT,
  )
}

function post(
  { url, key, historical }: SendOptions,
  body: string,
  requestId: string,
): Promise<Response> {
  return fetch(`${url}/v1/events${historical ? '?historical=true' : ''}`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${key}`,
      'Content-Type': 'application/json',
      'X-Request-Id': requestId,
    },
    body,
    signal: AbortSignal.timeout(SEND_MS_MAX),
  })
}

function* splitIntoBatches(
  events: readonly Record<string, unknown>[],
): Generator<Record<string, unknown>[]> {
  let batch: Record<string, unknown>[] = []
  let bytes = 0
  for (const event of events) {
    const size = Buffer.byteLength(JSON.stringify(event)) + 1
    const isFull = batch.length === BATCH_EVENTS_MAX || bytes + size > BATCH_BYTES_MAX
    if (isFull && batch.length > 0) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(event)
    bytes += size
  }
  if (batch.length > 0) yield batch
}
