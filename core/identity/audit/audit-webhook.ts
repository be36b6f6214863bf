import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { LOCKS } from '../../db/locks.ts'
import { backoffMs } from '../../lib/backoff.ts'
import type { Logger } from '../../lib/logger.ts'
import { exportedEntry, type UnhashedEntry } from './hash-entry.ts'

export interface AuditWebhook {
  /** Gives up a delivery under way; the next start repeats it. */
  close(): Promise<void>
}

export interface AuditWebhookDeps {
  db: Database
  /** As `checkWebhookUrl` accepts it. */
  url: string
  logger: Pick<Logger, 'warn' | 'info'>
  /** Of waiting for new entries, in milliseconds. */
  pollMs?: number
}

const POLL_MS = 2_000
const SEND_MS_MAX = 5_000
/** Of one delivery. */
const ENTRIES_MAX = 200
const RETRY = { baseMs: 1_000, maxMs: 60_000 }

/**
 * Sends every entry of the audit log as JSON lines, oldest first of each tenant, at least once. The log itself is the
 * queue: how far it was delivered is in Postgres, so that nothing is lost while the receiver is away or core restarts,
 * no memory grows, and no change waits for it. One core delivers at a time.
 */
export function startAuditWebhook({
  db,
  url,
  logger,
  pollMs = POLL_MS,
}: AuditWebhookDeps): AuditWebhook {
  const stop = new AbortController()
  const { signal } = stop

  async function run(): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        const hasSent = await deliver(db, url, signal)
        if (failures > 0) logger.info({ failures }, 'the audit webhook responds again')
        failures = 0
        if (hasSent) continue
      } catch (error) {
        if (signal.aborted) return
        failures++
        // Neither its address, which may hold a secret, nor what was sent.
        if (failures === 1)
          logger.warn({ error: reasonOf(error) }, 'sending to the audit webhook failed, retrying')
      }
      const waitMs = failures > 0 ? backoffMs(failures, RETRY) : pollMs
      await sleep(waitMs, undefined, { signal }).catch(() => {})
    }
  }

  const running = run()
  return {
    async close() {
      stop.abort()
      await running
    },
  }
}

/** Sends a part of one chain. @returns false where nothing is left, or another core delivers */
async function deliver(db: Database, url: string, signal: AbortSignal): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    const { rows: locks } = await sql<{ locked: boolean }>`
      SELECT pg_try_advisory_xact_lock(${LOCKS.auditWebhook.key}) AS locked`.execute(tx)
    if (!locks[0]?.locked) return false
    const { rows: chains } = await sql<{ tenant_id: number; sequence: number }>`
      SELECT h.tenant_id, coalesce(d.sequence, 0) AS sequence
        FROM audit_head h LEFT JOIN audit_delivery d USING (tenant_id)
       WHERE h.sequence > coalesce(d.sequence, 0) ORDER BY d.delivered_at NULLS FIRST, h.tenant_id LIMIT 1`.execute(
      tx,
    )
    const [chain] = chains
    if (!chain) return false
    const entries = await readEntries(tx, chain.tenant_id, chain.sequence)
    const last = entries.at(-1)
    if (!last) return false
    await send(url, entries, signal)
    await sql`
      INSERT INTO audit_delivery (tenant_id, sequence) VALUES (${chain.tenant_id}, ${last.sequence})
      ON CONFLICT (tenant_id) DO UPDATE SET sequence = EXCLUDED.sequence, delivered_at = clock_timestamp()`.execute(
      tx,
    )
    return true
  })
}

async function readEntries(tx: Database, tenantId: number, after: number) {
  const { rows } = await sql<UnhashedEntry & { hash: string }>`
    SELECT encode(previous_hash, 'hex') AS "previousHash", tenant_id AS "tenantId", sequence, at,
           actor_kind AS "actorKind", actor, actor_name AS "actorName", action, object, before, after, address,
           request_id AS "requestId", encode(hash, 'hex') AS hash
      FROM audit_log WHERE tenant_id = ${tenantId} AND sequence > ${after} ORDER BY sequence LIMIT ${ENTRIES_MAX}`.execute(
    tx,
  )
  return rows
}

/** Redirects are not followed, and nothing of the response is read. */
async function send(
  url: string,
  entries: readonly (UnhashedEntry & { hash: string })[],
  signal: AbortSignal,
): Promise<void> {
  const lines = entries.map(
    (entry) => `${JSON.stringify({ ...exportedEntry(entry), hash: entry.hash })}\n`,
  )
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson', 'User-Agent': 'Sluice' },
    body: lines.join(''),
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(SEND_MS_MAX)]),
  })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`status ${response.status}`)
}

function reasonOf(error: unknown): string {
  const { name, message, cause } = error as Error
  const { code } = (cause ?? {}) as { code?: unknown }
  return /^status \d+$/.test(message) ? message : `${name}${code ? ` ${String(code)}` : ''}`
}

/** @returns why the audit log may not be sent there; undefined where it may */
export function checkWebhookUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url) return 'is not a URL'
  if (url.username !== '' || url.password !== '') return 'must not contain a user or a password'
  if (url.protocol === 'https:') return undefined
  const isLoopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol === 'http:' && isLoopback) return undefined
  return 'must begin with https://, but for this machine itself'
}
