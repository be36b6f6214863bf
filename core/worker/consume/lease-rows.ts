import pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { CHANNELS } from '../../db/channels.ts'
import { LOCKS } from '../../db/locks.ts'
import { withTimeout } from '../../lib/timeout.ts'
import { type AssignmentChange, computeAssignment, type Lease } from './assignment.ts'
import { disconnect } from './connection.ts'

const STATEMENT_MS_MAX = 5_000
const RELEASE_MS_MAX = 2_000

export interface LeaseGroup {
  databaseUrl: string
  topic: string
  workerId: string
  /** Which partitions consumers still read, those that are being revoked too. */
  owned: () => ReadonlySet<number>
  /** Since the worker started. */
  stats: () => WorkerStats
}

export interface WorkerStats {
  batches: number
  batchMs: number
}

/** Alive: with a heartbeat a short while ago, over a connection that is still there. */
const ALIVE = `w.beat_at > clock_timestamp() - interval '${LIMITS.workerLeaseMs} ms'
   AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = w.backend_pid AND a.backend_start = w.backend_start)`

/** A connection for the leases alone; `wake` is called when it breaks and when another worker notifies. */
export async function openLeaseConnection(
  { databaseUrl, workerId }: Pick<LeaseGroup, 'databaseUrl' | 'workerId'>,
  wake: () => void,
): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: `sluice worker leases ${connectionTag(workerId)}`,
    connectionTimeoutMillis: STATEMENT_MS_MAX,
    keepAlive: true,
    statement_timeout: STATEMENT_MS_MAX,
    query_timeout: STATEMENT_MS_MAX + 1_000,
    idle_in_transaction_session_timeout: STATEMENT_MS_MAX,
  })
  client.on('error', wake)
  client.on('notification', wake)
  try {
    await client.connect()
    await client.query(`LISTEN ${CHANNELS.workers}`)
    return client
  } catch (error) {
    await disconnect(client)
    throw error
  }
}

/**
 * One round in one transaction, one worker at a time, so that all decide by the same rows.
 * @returns the partitions that are assigned to us now, ascending, and how many workers are alive
 */
export async function rebalance(
  client: pg.Client,
  group: LeaseGroup,
): Promise<{ partitions: number[]; workers: number }> {
  const { topic, workerId } = group
  await client.query('BEGIN')
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
    LOCKS.leases(topic).name,
  ])
  const joined = await recordHeartbeat(client, group)
  const alive = await findLiveWorkers(client, workerId)
  const rows = await readLeases(client, topic)
  const leases = rows.map(
    ({ partition, workerId: owner }): Lease => ({
      partition,
      workerId: owner !== null && alive.includes(owner) ? owner : null,
    }),
  )
  const change = computeAssignment(workerId, alive, leases)
  const owned = group.owned()
  const released = change.revoke.filter((partition) => !owned.has(partition))
  await setOwner(client, topic, change.take, workerId)
  await setOwner(client, topic, released, null)
  const taken = rows.filter(({ partition }) => change.take.includes(partition))
  await terminateWorkers(client, new Set(taken.map((lease) => lease.workerId)))
  if (released.length > 0 || joined) await client.query(`NOTIFY ${CHANNELS.workers}`)
  await client.query('COMMIT')
  return { partitions: assignedAfter(workerId, leases, change), workers: alive.length }
}

function assignedAfter(
  workerId: string,
  leases: readonly Lease[],
  { take, revoke }: AssignmentChange,
): number[] {
  return leases
    .filter((lease) => lease.workerId === workerId && !revoke.includes(lease.partition))
    .map(({ partition }) => partition)
    .concat(take)
    .sort((a, b) => a - b)
}

/** @returns whether the worker has just joined */
async function recordHeartbeat(
  client: pg.Client,
  { workerId, stats }: LeaseGroup,
): Promise<boolean> {
  const { batches, batchMs } = stats()
  const { rows } = await client.query<{ joined: boolean }>(
    `INSERT INTO worker_heartbeat (worker_id, beat_at, backend_pid, backend_start, batches, batch_ms)
     SELECT $1, clock_timestamp(), a.pid, a.backend_start, $2, $3 FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()
     ON CONFLICT (worker_id) DO UPDATE SET beat_at = EXCLUDED.beat_at, batches = EXCLUDED.batches,
       batch_ms = EXCLUDED.batch_ms, backend_pid = EXCLUDED.backend_pid, backend_start = EXCLUDED.backend_start
     RETURNING xmax = 0 AS joined`,
    [workerId, batches, batchMs],
  )
  await client.query("DELETE FROM worker_heartbeat WHERE beat_at < now() - interval '10 min'")
  return rows[0]?.joined ?? false
}

async function findLiveWorkers(client: pg.Client, workerId: string): Promise<string[]> {
  const { rows } = await client.query<{ id: string; alive: boolean }>(
    `SELECT worker_id AS id, (${ALIVE}) AS alive FROM worker_heartbeat w`,
  )
  const alive = rows.filter((worker) => worker.alive).map(({ id }) => id)
  // pg_stat_activity may not show our connection yet; we know that we are alive.
  return alive.includes(workerId) ? alive : [...alive, workerId]
}

async function readLeases(client: pg.Client, topic: string): Promise<Lease[]> {
  const { rows } = await client.query<{ partition: number; worker: string | null }>(
    'SELECT partition, worker_id AS worker FROM log_lease WHERE topic = $1 ORDER BY partition',
    [topic],
  )
  return rows.map(({ partition, worker }) => ({ partition, workerId: worker }))
}

async function setOwner(
  client: pg.Client,
  topic: string,
  partitions: readonly number[],
  workerId: string | null,
): Promise<void> {
  if (partitions.length > 0)
    await client.query(
      'UPDATE log_lease SET worker_id = $3, since = now() WHERE topic = $1 AND partition = ANY ($2)',
      [topic, partitions, workerId],
    )
}

/**
 * A frozen worker may hold a position's row lock in an open transaction. Its connections are terminated, or the
 * worker that takes its place would wait for it; it could not commit any more anyway.
 */
async function terminateWorkers(
  client: pg.Client,
  workerIds: ReadonlySet<string | null>,
): Promise<void> {
  for (const id of workerIds)
    if (id)
      await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'sluice worker %' AND application_name LIKE $1`,
        [`% ${connectionTag(id)}`],
      )
}

/** Releases the worker's partitions, removes its heartbeat, and ends the connection, within a few seconds. */
export async function releaseLeases(client: pg.Client, workerId: string): Promise<void> {
  const release = async () => {
    await client.query(
      `WITH released AS (UPDATE log_lease SET worker_id = NULL, since = now() WHERE worker_id = $1)
       DELETE FROM worker_heartbeat WHERE worker_id = $1`,
      [workerId],
    )
    await client.query(`NOTIFY ${CHANNELS.workers}`)
  }
  // Where this fails, the next worker that looks sees that the connection is gone.
  await withTimeout(RELEASE_MS_MAX, 'Postgres', release()).catch(() => {})
  await disconnect(client)
}

/** Ends the names of a worker's connections, which Postgres cuts at 63 bytes. */
export function connectionTag(workerId: string): string {
  return workerId.slice(-8)
}
