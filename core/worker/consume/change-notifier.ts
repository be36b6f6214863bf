import { type ChangedBuckets, EVERYTHING, mergeChangedBuckets } from '../../db/changed-buckets.ts'
import { storedNotifications } from '../../db/channels.ts'
import { createNotifier, type Notifier } from '../../db/notifier.ts'
import type { ExecuteQuery } from './connection.ts'

/**
 * Notifies cores of what the consumers of a worker have committed: tenants for live updates, and 15-minute buckets for
 * cached results.
 *
 * A cached result is dropped by a notification and by nothing else (core/api/result-cache), so a change that is
 * visible and never notified would leave results wrong until their own time is over: up to an hour. Nothing is notified
 * before it is visible, or a core might read and cache what was there before. Every case in which a commit is not
 * followed by its notification:
 *
 *   flush fails ............. the changes stay pending and are sent again, until the worker stops
 *   core does not listen .... it uses no cached results, and forgets all of them when it listens again (db/listen.ts)
 *   COMMIT without answer ... the consumer keeps what it would have changed, connects again, waits until the old
 *                             transaction is over, and notifies (UncertainChanges)
 *   worker killed ........... the next consumer of the partitions waits for its last transaction, and notifies of
 *                             everything
 *   worker moved a position . so does the consumer that finds it moved
 *
 * So a cached result lags behind a commit by about INTERVAL_MS, and where a worker is killed right after a commit,
 * until its partitions are consumed again: two seconds where another worker runs, twelve where the worker is frozen or
 * cut off instead (LIMITS.workerLeaseMs and a heartbeat), else until a worker is started. Until then no event becomes
 * visible either.
 */
export type ChangeNotifier = Notifier<ChangedBuckets>

const INTERVAL_MS = 20

/** @param execute on a connection that writes no batches; a batch would delay the notifications of all others */
export function createChangeNotifier(
  execute: ExecuteQuery,
  onError?: (error: unknown) => void,
): ChangeNotifier {
  return createNotifier({
    execute,
    merge: mergeChangedBuckets,
    encode: storedNotifications,
    intervalMs: INTERVAL_MS,
    onError,
  })
}

/** What a consumer may have changed and has not notified of yet. In the beginning everything: somebody else may have. */
export interface UncertainChanges {
  add(changed: ChangedBuckets): void
  /** To be called when they are certainly visible, or certainly never will be. */
  notify(notifier: Pick<ChangeNotifier, 'notify'>): void
}

export function createUncertainChanges(): UncertainChanges {
  let uncertain: ChangedBuckets | undefined = EVERYTHING
  return {
    add(changed) {
      uncertain = uncertain ? mergeChangedBuckets(uncertain, changed) : changed
    },
    notify(notifier) {
      if (uncertain) notifier.notify(uncertain)
      uncertain = undefined
    },
  }
}
