import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { LOCKS } from '../../db/locks.ts'
import type { Logger } from '../../lib/logger.ts'
import { pause } from '../../lib/pause.ts'
import type { Log } from '../../log/log.ts'
import type { ExecuteQuery } from '../execute-query.ts'
import { type CanaryKey, replaceCanaryKey } from './canary-key.ts'
import type { CanarySettings } from './canary-settings.ts'
import { appendToLog, type Canary, type Delivery, sendToEdge } from './deliver-canary.ts'
import { type FailingComponent, findFailing } from './diagnose.ts'

/**
 * Sends an event of the system's own to each edge, once an interval, and measures by Postgres' clock how long it takes until a
 * query finds it. One process of all cores does it: the lock belongs to its connection, which executes all statements, so
 * whatever fails with Postgres ends both.
 *
 *   take the lock ▶ new key ▶ for each edge: note ▶ send ▶ look for it until it is visible ▶ or note what failed ▶ …
 */
export interface CanarySender {
  /** Ends when `signal` aborts. */
  run(signal: AbortSignal): Promise<void>
}

export interface CanarySenderDeps {
  databaseUrl: string
  log: Pick<Log, 'append' | 'offsets'>
  logger: Logger
  settings: CanarySettings
  /** Whether Redis is connected; absent without Redis. */
  isRedisUp?: () => boolean
}

const VISIBLE_MS_MAX = 10_000
const LOOK_MS = 50
/** Two canaries in a row have to fail before a component is named: the second one follows soon. */
const AFTER_FAILURE_MS = 5_000
const RETRY_MS = 1_000
const LOCK_MS = 5_000
/** Edges may start after core, and have not failed then. */
const START_MS_MAX = 10_000
const KEY_MS_MAX = 24 * 3_600_000
/** What is late is looked for, for so long. */
const LATE = "interval '1 hour'"
/** Different partitions get them in turn. */
const ACTORS = 16

export function createCanarySender(deps: CanarySenderDeps): CanarySender {
  return {
    async run(signal) {
      while (!signal.aborted) {
        const isHeld = await sendWhileHeld(deps, signal).catch((error) => {
          if (!signal.aborted)
            deps.logger.warn({ error: String(error) }, 'sending canaries failed, retrying in 1 s')
          return true
        })
        await pause(isHeld ? RETRY_MS : LOCK_MS, signal)
      }
    },
  }
}

/** @returns false when another process sends them */
async function sendWhileHeld(deps: CanarySenderDeps, signal: AbortSignal): Promise<boolean> {
  const client = new pg.Client({
    connectionString: deps.databaseUrl,
    application_name: 'sluice canaries',
    connectionTimeoutMillis: 5_000,
    statement_timeout: 5_000,
    query_timeout: 6_000,
    keepAlive: true,
    options: '-c timezone=UTC',
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const execute: ExecuteQuery = (sql, values) => client.query(sql, values)
    const { rows } = await execute('SELECT pg_try_advisory_lock($1) AS mine', [LOCKS.canaries.key])
    if (rows[0]?.mine !== true) return false
    const { edges, intervalMs } = deps.settings
    if (intervalMs === 0) {
      await execute('DELETE FROM canary_sender', [])
      await pause(KEY_MS_MAX, signal)
      return true
    }
    const key = await replaceCanaryKey(execute)
    const ended = new AbortController()
    const keyEnded = AbortSignal.any([signal, ended.signal, AbortSignal.timeout(KEY_MS_MAX)])
    const sending = (edges.length === 0 ? [''] : edges).map((edge) =>
      sendTo(edge, { ...deps, execute, key }, keyEnded).finally(() => ended.abort()),
    )
    for (const result of await Promise.allSettled(sending))
      if (result.status === 'rejected') throw result.reason
    return true
  } finally {
    await client.end().catch(() => {})
  }
}

interface Sending extends CanarySenderDeps {
  execute: ExecuteQuery
  key: CanaryKey
}

async function sendTo(edge: string, sending: Sending, signal: AbortSignal): Promise<void> {
  const { intervalMs } = sending.settings
  await pause(Math.min(intervalMs, START_MS_MAX), signal)
  for (let turn = 0; !signal.aborted; ) {
    const failing = await sendOne(edge, `${edge} ${turn}`, sending, signal)
    if (failing === undefined) turn = (turn + 1) % ACTORS
    await pause(failing === undefined ? intervalMs : Math.min(intervalMs, AFTER_FAILURE_MS), signal)
  }
}

/** @returns what failed, which is in the canary's row then */
async function sendOne(
  edge: string,
  actor: string,
  sending: Sending,
  signal: AbortSignal,
): Promise<FailingComponent | undefined> {
  const { execute, log, key, isRedisUp } = sending
  const canary: Canary = { id: randomUUID(), actor }
  const sentAt = await noteSent(canary, edge, sending)
  const tryLog = () => appendToLog(log, key, { ...canary, id: randomUUID() }, sentAt)
  const delivery = await (edge === ''
    ? appendToLog(log, key, canary, sentAt).catch((): Delivery => LOG_FAILED)
    : sendToEdge(edge, key.key, canary))
  const isVisible = delivery.kind === 'accepted' && (await awaitVisible(canary, sending, signal))
  // What stops looking has found nothing out; the next sender would see it late.
  if (signal.aborted && !isVisible) {
    await execute('DELETE FROM canary WHERE canary_id = $1', [canary.id])
    return undefined
  }
  const isRedisAway = isRedisUp?.() === false || (isVisible && delivery.isRedisAway)
  const failing = isVisible
    ? isRedisAway
      ? 'redis'
      : undefined
    : await findFailing(delivery, log, tryLog)
  if (failing)
    await execute('UPDATE canary SET failing = $2 WHERE canary_id = $1', [canary.id, failing])
  return failing
}

const LOG_FAILED: Delivery = { kind: 'refused', code: 'LOG_UNAVAILABLE' }

/** @returns when, by Postgres' clock */
async function noteSent(
  { id }: Canary,
  edge: string,
  { execute, key, settings }: Sending,
): Promise<string> {
  await execute('DELETE FROM canary WHERE sent_at < now() - $1::interval', ['30 days'])
  await execute(look(`sent_at > now() - ${LATE}`), [key.tenantId])
  await execute(
    `INSERT INTO canary_sender (sent_at, interval_s, edges, target_s, objective)
     VALUES (clock_timestamp(), $1, $2, $3, $4)
     ON CONFLICT (only_row) DO UPDATE SET sent_at = excluded.sent_at, interval_s = excluded.interval_s,
       edges = excluded.edges, target_s = excluded.target_s, objective = excluded.objective`,
    [
      settings.intervalMs / 1_000,
      settings.edges.length === 0 ? [''] : settings.edges,
      settings.targetSeconds,
      settings.objectivePercent,
    ],
  )
  const { rows } = await execute(
    `INSERT INTO canary (canary_id, edge) VALUES ($1, $2)
     RETURNING to_char(sent_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at`,
    [id, edge],
  )
  return rows[0]?.at as string
}

/** A transaction of its own, so what it finds is what any query finds. */
function look(which: string): string {
  return `UPDATE canary c SET visible_at = clock_timestamp()
     WHERE visible_at IS NULL AND accepted_at IS NOT NULL AND ${which}
       AND EXISTS (SELECT FROM event e WHERE e.tenant_id = $1 AND e.event_id = c.canary_id
                      AND e.received_on >= (now() - interval '1 day')::date)
   RETURNING canary_id`
}

async function awaitVisible(
  { id }: Canary,
  { execute, key, settings: { visibleMsMax = VISIBLE_MS_MAX } }: Sending,
  signal: AbortSignal,
): Promise<boolean> {
  await execute('UPDATE canary SET accepted_at = clock_timestamp() WHERE canary_id = $1', [id])
  const deadline = performance.now() + visibleMsMax
  while (performance.now() < deadline && !signal.aborted) {
    const { rows } = await execute(look('canary_id = $2'), [key.tenantId, id])
    if (rows.length > 0) return true
    await pause(LOOK_MS, signal)
  }
  return false
}
