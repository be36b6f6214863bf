import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import type { Logger } from '../../lib/logger.ts'
import { pause } from '../../lib/pause.ts'
import { disconnect } from './connection.ts'
import { type LeaseGroup, openLeaseConnection, rebalance, releaseLeases } from './lease-rows.ts'

/**
 * The workers of one database are one group, and divide the partitions of the log among them, whichever log it is
 * (docs/adr/0011-leases-in-postgres.md). Each of them, every two seconds and whenever another one notifies:
 *
 *   record a heartbeat ▶ which workers are alive ▶ partitions without a live owner are free ▶ take some, up to our
 *   number, or give up what is too much: consumers end their batch first, and the row is released in the next round
 *
 * Leases are for order, not for safety: a batch is written only where the position stands where it was read
 * (write/positions.ts), so two workers that believe to own a partition cost time and nothing else.
 */
export interface Leases {
  /** Goes on until `signal` aborts; retries for ever while Postgres fails. */
  run(signal: AbortSignal): Promise<void>
  /** Starts the next round now instead of in two seconds. */
  refresh(): void
  /** Releases everything. The consumers must have ended. */
  release(): Promise<void>
}

export interface LeasesDeps extends LeaseGroup {
  logger: Logger
  /** Called with what consumers are to read from now on, in ascending order; often the same as before. */
  onAssigned: (partitions: number[]) => void
}

export function createLeases(deps: LeasesDeps): Leases {
  const { logger, workerId } = deps
  let client: pg.Client | undefined
  let assigned: number[] = []
  let wake = () => {}

  async function runOnce(): Promise<void> {
    client ??= await openLeaseConnection(deps, () => wake())
    const { partitions, workers } = await rebalance(client, deps)
    const changed = partitions.join() !== assigned.join()
    assigned = partitions
    if (changed) logger.info({ worker: workerId, partitions, workers }, 'partitions assigned')
    deps.onAssigned(partitions)
  }

  return {
    async run(signal) {
      for (let failures = 0; !signal.aborted; ) {
        const woken = new AbortController()
        wake = () => woken.abort()
        try {
          await runOnce()
          failures = 0
        } catch (error) {
          const broken = client
          client = undefined
          if (broken) await disconnect(broken)
          if (failures++ > 0)
            logger.warn({ error: String(error) }, 'partition assignment failed, retrying')
        }
        const ms = failures === 1 ? 0 : LIMITS.workerHeartbeatMs
        await pause(ms, AbortSignal.any([signal, woken.signal]))
      }
    },
    refresh: () => wake(),
    async release() {
      const leaving = client
      client = undefined
      if (leaving) await releaseLeases(leaving, workerId)
    },
  }
}
