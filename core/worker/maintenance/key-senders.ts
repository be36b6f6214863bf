import type pg from 'pg'
import { inLock } from '../../db/in-transaction.ts'
import { LOCKS } from '../../db/locks.ts'
import { flushEvery } from '../../lib/flush-every.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Decoded, EventRow } from '../decode/decoded.ts'

/**
 * Counts with which client and from which page events come in, by API key and hour: somebody who rotated a key sees who still
 * uses the old one. In memory first, added to Postgres every few seconds: ingest pays one entry of a map a batch and
 * sender. An estimate: what a worker counted since then is lost with it, and what is replayed counts twice.
 */
export interface KeySenders {
  count(decoded: readonly Decoded[]): void
  /** Adds what was counted since the last time. */
  flush(): Promise<void>
  /** Flushes every few seconds until the signal aborts, and then once more. */
  run(logger: Pick<Logger, 'warn'>, signal: AbortSignal): Promise<void>
}

export const SENDER_LIMITS = {
  /** Kept apart for each key and hour; the others are one. */
  perKeyHourMax: 20,
  clientCharsMax: 64,
  originCharsMax: 128,
  flushMs: 5_000,
  /** Held in memory; beyond them events are not counted until the next flush. */
  heldMax: 5_000,
} as const

export const OTHER_SENDERS = '(other)'
const HOUR_MS = 3_600_000

interface Sender {
  tenantId: number
  keyId: string
  hourMs: number
  client: string
  origin: string
  events: number
  lastMs: number
}

export function createKeySenders(
  pool: pg.Pool,
  limits: Record<keyof typeof SENDER_LIMITS, number> = SENDER_LIMITS,
): KeySenders {
  let held = new Map<string, Sender>()

  async function flush(): Promise<void> {
    if (held.size === 0) return
    const senders = [...held.values()]
    held = new Map()
    await inLock(pool, LOCKS.keySenders.key, async (client) => {
      await client.query(ADD, [JSON.stringify(senders), limits.perKeyHourMax, OTHER_SENDERS])
    })
  }

  /** @returns undefined for events without a key, and where too many senders are held */
  function find({ tenantId, keyId, received, ...row }: EventRow): Sender | undefined {
    if (keyId === null) return undefined
    const hourMs = hourOf(received.ms)
    const client = clientOf(row.client ?? '')
    const origin = printable(row.origin ?? '').slice(0, limits.originCharsMax)
    const key = JSON.stringify([keyId, hourMs, client, origin])
    const known = held.get(key)
    if (known || held.size >= limits.heldMax) return known
    const sender = { tenantId, keyId, hourMs, client, origin, events: 0, lastMs: 0 }
    held.set(key, sender)
    return sender
  }

  /** Without the system and the engine of a browser, which only say who visits. */
  function clientOf(client: string): string {
    return printable(client.slice(0, 4 * limits.clientCharsMax))
      .replace(/\s*\(.*$/, '')
      .slice(0, limits.clientCharsMax)
  }

  return {
    flush,
    count(decoded) {
      // Most batches have few senders, and a row nearly always has that of the row before.
      let last: Sender | undefined
      let row: EventRow | undefined
      for (const item of decoded) {
        if (item.kind !== 'event') continue
        if (!row || !isSameSender(row, item.row)) last = find(item.row)
        row = item.row
        if (!last) continue
        last.events++
        last.lastMs = Math.max(last.lastMs, row.received.ms)
      }
    },
    async run(logger, signal) {
      const onError = (error: unknown) =>
        logger.warn({ error: String(error) }, 'counting the users of API keys failed')
      await flushEvery(limits.flushMs, flush, onError, signal)
    },
  }
}

function isSameSender(a: EventRow, b: EventRow): boolean {
  return (
    a.keyId === b.keyId &&
    a.client === b.client &&
    a.origin === b.origin &&
    hourOf(a.received.ms) === hourOf(b.received.ms)
  )
}

function hourOf(ms: number): number {
  return ms - (ms % HOUR_MS)
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '')
}

/** $1: senders as JSON, $2: how many are kept apart for each key and hour, $3: what the others are called. */
const ADD = `
WITH sent AS (
  SELECT s.*, to_timestamp(s."hourMs" / 1000.0) AS hour, to_timestamp(s."lastMs" / 1000.0) AS last_at,
         EXISTS (SELECT FROM key_sender_hour k
                  WHERE (k.key_id, k.hour, k.client, k.origin)
                      = (s."keyId", to_timestamp(s."hourMs" / 1000.0), s.client, s.origin)) AS is_known,
         (SELECT count(*) FROM key_sender_hour k
           WHERE k.key_id = s."keyId" AND k.hour = to_timestamp(s."hourMs" / 1000.0) AND k.client <> $3) AS known
    FROM jsonb_to_recordset($1::jsonb) s ("tenantId" int, "keyId" uuid, "hourMs" float8, client text, origin text,
                                          events bigint, "lastMs" float8)
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY "keyId", hour, is_known ORDER BY events DESC, client, origin) AS rank FROM sent
), bounded AS (
  SELECT "tenantId", "keyId", hour, events, last_at,
         CASE WHEN is_known OR known + rank <= $2 THEN client ELSE $3 END AS client,
         CASE WHEN is_known OR known + rank <= $2 THEN origin ELSE '' END AS origin
    FROM ranked
)
INSERT INTO key_sender_hour AS k (tenant_id, key_id, hour, client, origin, events, last_at)
SELECT min("tenantId"), "keyId", hour, client, origin, sum(events), max(last_at) FROM bounded
 GROUP BY "keyId", hour, client, origin ORDER BY "keyId", hour, client, origin
ON CONFLICT (key_id, hour, client, origin)
  DO UPDATE SET events = k.events + EXCLUDED.events, last_at = greatest(k.last_at, EXCLUDED.last_at)`
