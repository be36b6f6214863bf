import { storedNotifications } from '../../db/channels.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { notifyAtCommit } from '../../db/notifier.ts'
import type { LogBatch } from '../../log/log.ts'
import { type Decoded, type DecodedParts, splitDecoded } from '../decode/decoded.ts'
import { applyBatch, type WriteDeps } from '../write/apply-batch.ts'

/** The outcome of records that were read again. */
export interface ReplayResult {
  /** Events that were missing, and are stored now. */
  stored: number
  /** Of those and of duplicates: how many had been dead letters. */
  recovered: number
  /** Records that changed nothing: their event is stored, or their dead letter is. */
  unchanged: number
  /** Dead letters that were missing, and are stored now. */
  dead: number
  /** Received on days whose events may have been dropped: nothing could tell whether they counted already. */
  refused: number
}

export interface ReplayDeps extends WriteDeps {
  /** Change nothing. */
  dryRun: boolean
  /** Records received on an earlier day are refused; days since 1970-01-01, UTC. */
  oldestDay: number
  ensure: (parts: DecodedParts) => Promise<void>
}

/**
 * Applies one batch again, with the positions held (write/apply-batch.ts).
 * @throws NotAppliedError
 */
export async function replayBatch(
  deps: ReplayDeps,
  batch: LogBatch,
  decoded: readonly Decoded[],
): Promise<ReplayResult> {
  const { client, dryRun, oldestDay, ensure } = deps
  const accepted = decoded.filter((item) => receivedDayOf(item) >= oldestDay)
  if (!dryRun) await ensure(splitDecoded(accepted))
  const applied = await applyBatch(deps, batch, accepted, {
    position: 'hold',
    dryRun,
    // Not afterwards: where a replay is killed, no other process notifies in its place.
    beforeCommit: (changed) =>
      notifyAtCommit((sql, values) => client.query(sql, values), storedNotifications(changed)),
  })
  const { stored, duplicates, conflicting, dead, recovered } = applied
  return {
    stored,
    recovered,
    unchanged: accepted.length - stored - duplicates - conflicting - dead,
    dead,
    refused: decoded.length - accepted.length,
  }
}

function receivedDayOf(decoded: Decoded): number {
  if (decoded.kind === 'event') return decoded.row.receivedDay
  return Math.floor(decoded.deadLetter.receivedMs / DAY_MS)
}
