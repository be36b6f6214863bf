import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../contract/limits.ts'
import type { ItemError } from '../../contract/refusals.ts'

export interface Summary {
  accepted: number
  rejected: number
  /** Told so by the edge at once; what Postgres knows already turns up in the dashboard. */
  duplicate: number
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
  onProgress?: (done: number) => void
}

const BATCH_EVENTS = 500
const BATCH_BYTES_MAX = LIMITS.bodyBytesMax - 1_024
const TRIES = 6
const SEND_MS_MAX = 15_000
const ERRORS_SHOWN = 10

/** Sends all of them in batches, trying again what may succeed later. @throws when the edge keeps refusing */
export async function sendEvents(options: SendOptions): Promise<Summary> {
  const started = Date.now()
  const summary: Summary = { accepted: 0, rejected: 0, duplicate: 0, seconds: 0, errors: [] }
  let done = 0
  for (const batch of inBatches(options.events)) {
    const answer = await sendBatch(options, batch)
    summary.accepted += answer.accepted
    summary.rejected += answer.rejected
    summary.duplicate += answer.events.filter((event) => event.duplicate).length
    for (const error of answer.errors)
      if (summary.errors.length < ERRORS_SHOWN)
        summary.errors.push({ ...error, index: error.index + done })
    done += batch.length
    options.onProgress?.(done)
  }
  summary.seconds = (Date.now() - started) / 1000
  return summary
}

interface Answer {
  accepted: number
  rejected: number
  events: { duplicate?: boolean }[]
  errors: ItemError[]
}

async function sendBatch(
  { url, key, historical }: SendOptions,
  batch: readonly object[],
): Promise<Answer> {
  const body = `{"events":[${batch.map((event) => JSON.stringify(event)).join(',')}]}`
  let why = ''
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const response = await fetch(`${url}/v1/events${historical ? '?historical=true' : ''}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
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
    if (response.status !== 429 && response.status < 500)
      throw Object.assign(new Error(`The edge refuses: ${why}`), {
        hint: 'What was accepted before stays; sending the file again does no harm.',
      })
    await sleep(
      Math.max(backoffMs(attempt), 1_000 * Number(response.headers.get('Retry-After') ?? 0)),
    )
  }
  throw Object.assign(new Error(`The edge did not take a batch in ${TRIES} tries: ${why}`), {
    hint: 'Send the file again later: ids make that harmless.',
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
