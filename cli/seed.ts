import { randomUUID } from 'node:crypto'
import { createDatabase, type Database } from '../core/db/database.ts'
import { createKey, revokeKey } from '../core/identity/api-keys.ts'
import { createTenant } from '../core/identity/tenants.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { createMonth, type Month } from '../tools/demo/month.ts'
import { countStoredIds, type SeedCounts, type SentWith, waitForCounts } from './seed-counts.ts'
import { findFirstRun, keyNameOf, type SeedSize, withoutFinality } from './seed-tenant.ts'
import { sendEvents } from './send-events.ts'

export interface SeedOptions extends SeedSize {
  edgeUrl: string
  databaseUrl: string
  onProgress: (done: number, total: number) => void
}

/** Everything that was sent, and what became of it as the database counts it. */
export interface SeedSummary extends SeedCounts {
  tenant: string
  /** RFC 3339. */
  from: string
  until: string
  sent: number
  /** This month was sent before, so its events are duplicates. */
  isRepeated: boolean
  /** sent = stored + duplicates + dead, and the tenant has each id exactly once. */
  isComplete: boolean
  seconds: number
}

/** More than one machine takes. */
const EVENTS_PER_MINUTE = 1_000_000
const KEY_LIFE_MS = 6 * 3_600_000
const DAY_MS = 86_400_000
const SEND_MS_MAX = 15_000

/**
 * Sends weeks of demo data through the edge as a historical import, waits until they are stored, and recounts them.
 * The same options give the same events, with the same ids: within the 48 hours in which duplicates are recognised
 * a second run adds nothing but its dead letters.
 * @throws UsageError when the same data were sent too long ago to be recognised, or when the edge refuses them
 */
export async function seed(options: SeedOptions): Promise<SeedSummary> {
  const startedAt = Date.now()
  const db = createDatabase(options.databaseUrl, { max: 1 })
  try {
    await createTenant(db, { tenant: options.tenant, eventsPerMinute: EVENTS_PER_MINUTE })
    const firstAt = await findFirstRun(db, options, startedAt)
    const untilMs = Math.floor((firstAt ?? startedAt) / 60_000) * 60_000
    const month = createMonth({ ...options, untilMs })
    const sent = Object.values(month).reduce((sum, { length }) => sum + length, 0)
    const counts = await sendWithOwnKey(db, options, month)
    const ids = new Set([...month.inOrder, ...month.late].map(({ event_id }) => event_id as string))
    const isBalanced = sent === counts.stored + counts.duplicates + counts.dead
    return {
      tenant: options.tenant,
      from: new Date(untilMs - options.days * DAY_MS).toISOString(),
      until: new Date(untilMs).toISOString(),
      sent,
      ...counts,
      isRepeated: firstAt !== undefined,
      isComplete: isBalanced && (await countStoredIds(db, options.tenant, [...ids])) === ids.size,
      seconds: (Date.now() - startedAt) / 1_000,
    }
  } finally {
    await db.destroy()
  }
}

/** With a key of this run alone, the database can tell this run's events from all others. */
async function sendWithOwnKey(
  db: Database,
  options: SeedOptions,
  month: Month,
): Promise<SeedCounts> {
  const { key, keyId } = await createKey(db, {
    tenant: options.tenant,
    name: keyNameOf(options),
    scopes: ['ingest'],
    eventsPerMinute: EVENTS_PER_MINUTE,
    mayImportHistory: true,
    expiresAt: new Date(Date.now() + KEY_LIFE_MS),
  })
  try {
    return await sendMonth(db, { ...options, key, keyId, month })
  } finally {
    await revokeKey(db, keyId)
  }
}

interface Sending extends SeedOptions {
  key: string
  keyId: string
  month: Month
}

async function sendMonth(db: Database, sending: Sending): Promise<SeedCounts> {
  const { tenant, days, edgeUrl, key, keyId, onProgress } = sending
  const { inOrder, late, repeated, untimely, invalid } = sending.month
  const total = inOrder.length + late.length + repeated.length + untimely.length + invalid.length
  const sentWith: SentWith = { keyId, since: new Date(), requestIds: [] }
  let before = 0
  async function send(events: readonly Record<string, unknown>[], historical: boolean) {
    const { accepted, errors } = await sendEvents({
      url: edgeUrl,
      key,
      historical,
      events,
      onRequest: (requestId) => sentWith.requestIds.push(requestId),
      onProgress: (done) => onProgress(before + done, total),
    })
    before += events.length
    if (accepted !== events.length)
      throw new UsageError(`The edge rejected demo events: ${errors[0]?.code} ${errors[0]?.detail}`)
  }

  await withoutFinality(db, { tenant, days }, async () => {
    await send(inOrder, true)
    await waitForCounts(db, sentWith, inOrder.length)
  })
  // What is called final by now did not contain them, so they are late. A repeated one must not come before its first.
  await send(late, false)
  await send(repeated, true)
  await send(untimely, false)
  sentWith.requestIds.push(await sendInvalid(sending, invalid))
  onProgress(total, total)
  return waitForCounts(db, sentWith, total)
}

/** As a client that drops what is refused: the edge takes these messages and makes dead letters of them. */
async function sendInvalid(
  { edgeUrl, key }: Sending,
  batch: readonly Record<string, unknown>[],
): Promise<string> {
  const requestId = randomUUID()
  const response = await fetch(`${edgeUrl}/v1/batch`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${key}`,
      'Content-Type': 'application/json',
      'X-Request-Id': requestId,
    },
    body: JSON.stringify({ batch }),
    signal: AbortSignal.timeout(SEND_MS_MAX),
  })
  await response.body?.cancel()
  if (!response.ok)
    throw new UsageError(`The edge did not take the invalid events: status ${response.status}`)
  return requestId
}
