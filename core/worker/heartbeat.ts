import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../contract/limits.ts'
import type { Ask } from './connection.ts'
import type { Logger } from './lane.ts'

/** Tells the world, through Postgres, that this worker lives; /readyz reads it. Ends when `signal` aborts. */
export async function beat(
  ask: Ask,
  workerId: string,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await ask(
        `INSERT INTO worker_heartbeat (worker_id) VALUES ($1)
         ON CONFLICT (worker_id) DO UPDATE SET beat_at = now()`,
        [workerId],
      )
    } catch (error) {
      // The lanes meet the same trouble and report it in full.
      logger.warn({ error: String(error) }, 'the heartbeat could not be written')
    }
    await sleep(LIMITS.workerHeartbeatMs, undefined, { signal }).catch(() => {})
  }
  await ask('DELETE FROM worker_heartbeat WHERE worker_id = $1', [workerId]).catch(() => {})
}
