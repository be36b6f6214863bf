import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { CHANNELS } from '../../db/channels.ts'
import { LOCKS } from '../../db/locks.ts'
import { decideShare, type Lease } from './assignment.ts'
import { disconnect } from './connection.ts'
import type { Logger } from './partition-consumer.ts'

/**
 * The workers of one database are one group, and share the partitions of the log among them, whichever log it is
 * (docs/adr/0011-leases-in-postgres.md). Each of them, every two seconds and whenever another one calls:
 *
 *   say that we live ▶ who else does ▶ what nobody holds who lives is free ▶ take up to our share,
 *   or let go of what is too much: lanes end their batch first, and the next time the row is given back
 *
 * Leases are for order, not for safety: a batch is written only where the position stands where it was read
 * (write.ts), so two that believe to own a partition cost time and nothing else.
 */
export interface Leases {
  /** Goes on until `signal` aborts. Trouble with Postgres is tried again for ever. */
  run(signal: AbortSignal): Promise<void>
  /** Look now instead of in two seconds. */
  look(): void
  /** Gives everything back. The lanes must have ended. */
  leave(): Promise<void>
}

export interface LeasesDeps {
  databaseUrl: string
  topic: string
  workerId: string
  logger: Logger
  /** Which partitions lanes still read, however they got them. */
  held: () => ReadonlySet<number>
  /** Told what the lanes are to read from now on, in ascending order; often the same as before. */
  onShare: (partitions: number[]) => void
  /** Since the worker started. */
  work: () => { batches: number; batchMs: number }
}

const STATEMENT_MS_MAX = 5_000
const LEAVE_MS_MAX = 2_000

/** Alive: said so a short while ago, over a connection that is still there. */
const ALIVE = `w.beat_at > clock_timestamp() - interval '${LIMITS.workerLeaseMs} ms'
   AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = w.backend_pid AND a.backend_start = w.backend_start)`

export function createLeases(deps: LeasesDeps): Leases {
  const { topic, workerId, logger } = deps
  let client: pg.Client | undefined
  let wake = () => {}
  let mine: number[] = []

  async function open(): Promise<pg.Client> {
    const opened = new pg.Client({
      connectionString: deps.databaseUrl,
      application_name: `sluice worker leases ${tagOf(workerId)}`,
      connectionTimeoutMillis: STATEMENT_MS_MAX,
      keepAlive: true,
      statement_timeout: STATEMENT_MS_MAX,
      query_timeout: STATEMENT_MS_MAX + 1_000,
      idle_in_transaction_session_timeout: STATEMENT_MS_MAX,
    })
    opened.on('error', () => wake())
    opened.on('notification', () => wake())
    try {
      await opened.connect()
      await opened.query(`LISTEN ${CHANNELS.workers}`)
      return opened
    } catch (error) {
      await disconnect(opened)
      throw error
    }
  }

  /** One worker at a time, so that all decide by the same rows. */
  async function look(db: pg.Client): Promise<void> {
    const { batches, batchMs } = deps.work()
    await db.query('BEGIN')
    await db.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
      LOCKS.leases(topic).name,
    ])
    const beat = await db.query<{ joined: boolean }>(
      `INSERT INTO worker_heartbeat (worker_id, beat_at, backend_pid, backend_start, batches, batch_ms)
       SELECT $1, clock_timestamp(), a.pid, a.backend_start, $2, $3 FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()
       ON CONFLICT (worker_id) DO UPDATE SET beat_at = EXCLUDED.beat_at, batches = EXCLUDED.batches,
         batch_ms = EXCLUDED.batch_ms, backend_pid = EXCLUDED.backend_pid, backend_start = EXCLUDED.backend_start
       RETURNING xmax = 0 AS joined`,
      [workerId, batches, batchMs],
    )
    await db.query("DELETE FROM worker_heartbeat WHERE beat_at < now() - interval '10 min'")
    const workers = await db.query<{ id: string; alive: boolean }>(
      `SELECT worker_id AS id, (${ALIVE}) AS alive FROM worker_heartbeat w`,
    )
    const alive = workers.rows.filter((each) => each.alive).map(({ id }) => id)
    // Whoever is read from pg_stat_activity may have been missed; we know that we live.
    if (!alive.includes(workerId)) alive.push(workerId)
    const { rows } = await db.query<{ partition: number; worker: string | null }>(
      'SELECT partition, worker_id AS worker FROM log_lease WHERE topic = $1 ORDER BY partition',
      [topic],
    )
    const leases = rows.map(
      ({ partition, worker }): Lease => ({
        partition,
        workerId: worker !== null && alive.includes(worker) ? worker : null,
      }),
    )
    const { take, yield: surplus } = decideShare(workerId, alive, leases)
    const held = deps.held()
    const letGo = surplus.filter((partition) => !held.has(partition))
    await give(db, take, workerId)
    await give(db, letGo, null)
    const fallen = rows.filter(({ partition, worker }) => take.includes(partition) && worker)
    await cutOff(db, [...new Set(fallen.map(({ worker }) => worker as string))])
    if (letGo.length > 0 || beat.rows[0]?.joined) await db.query(`NOTIFY ${CHANNELS.workers}`)
    await db.query('COMMIT')

    const before = mine
    mine = leases
      .filter((lease) => lease.workerId === workerId && !surplus.includes(lease.partition))
      .map(({ partition }) => partition)
      .concat(take)
      .sort((a, b) => a - b)
    if (mine.join() !== before.join())
      logger.info(
        { worker: workerId, partitions: mine, workers: alive.length },
        'partitions shared',
      )
    deps.onShare(mine)
  }

  async function give(db: pg.Client, partitions: number[], to: string | null): Promise<void> {
    if (partitions.length > 0)
      await db.query(
        'UPDATE log_lease SET worker_id = $3, since = now() WHERE topic = $1 AND partition = ANY ($2)',
        [topic, partitions, to],
      )
  }

  /**
   * A frozen worker may hold a position's row in an open transaction. Its connections are ended, or whoever takes
   * its place would wait for it; it could not commit any more anyway.
   */
  async function cutOff(db: pg.Client, workerIds: string[]): Promise<void> {
    for (const id of workerIds)
      await db.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'sluice worker %' AND application_name LIKE $1`,
        [`% ${tagOf(id)}`],
      )
  }

  async function forget(): Promise<void> {
    const broken = client
    client = undefined
    if (broken) await disconnect(broken)
  }

  return {
    async run(signal) {
      for (let failures = 0; !signal.aborted; ) {
        const woken = new AbortController()
        wake = () => woken.abort()
        try {
          client ??= await open()
          await look(client)
          failures = 0
        } catch (error) {
          await forget()
          if (failures++ > 0)
            logger.warn({ error: String(error) }, 'the partitions could not be shared; tried again')
        }
        const ms = failures === 1 ? 0 : LIMITS.workerHeartbeatMs
        await sleep(ms, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(
          () => {},
        )
      }
    },
    look: () => wake(),
    async leave() {
      const leaving = client
      client = undefined
      if (!leaving) return
      const timer = setTimeout(() => void disconnect(leaving), LEAVE_MS_MAX)
      try {
        await leaving.query(
          `WITH given AS (UPDATE log_lease SET worker_id = NULL, since = now() WHERE worker_id = $1)
           DELETE FROM worker_heartbeat WHERE worker_id = $1`,
          [workerId],
        )
        await leaving.query(`NOTIFY ${CHANNELS.workers}`)
      } catch {
        // Whoever looks next sees that this connection is gone.
      } finally {
        clearTimeout(timer)
        await disconnect(leaving)
      }
    },
  }
}

/** Ends the names of a worker's connections, which Postgres cuts at 63 bytes. */
export function tagOf(workerId: string): string {
  return workerId.slice(-8)
}
