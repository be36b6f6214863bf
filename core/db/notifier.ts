import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../contract/limits.ts'
import { backoffMs } from '../lib/backoff.ts'
import { pause } from '../lib/pause.ts'
import { withTimeout } from '../lib/timeout.ts'

/**
 * Notifies of changes that were committed, beside the transactions that made them.
 *
 * A NOTIFY within a transaction takes Postgres' one lock of all notifications when it commits, and holds it until
 * the commit is on the disk: then all commits that notify run one after the other, of whatever process. Here changes
 * are merged until a flush, and a flush commits without waiting for the disk.
 */
export interface Notifier<Change> {
  /**
   * The change is notified at once, or as soon as the flush before it is `intervalMs` old. It must have been committed:
   * every listener reads it.
   */
  notify(change: Change): void
  /** Flushes what is left, and gives up after two seconds. */
  stop(): Promise<void>
}

export interface NotifierOptions<Change> {
  /** Executes one statement in a transaction of its own, on a connection that writes nothing else, within a deadline. */
  execute: (sql: string, values: unknown[]) => Promise<unknown>
  /** @returns both changes as one, of a bounded size; may reuse the first one */
  merge: (change: Change, more: Change) => Change
  encode: (change: Change) => Notification[]
  /** From one flush to the next. */
  intervalMs: number
  /** Called for every failed flush; it is retried until it succeeds. */
  onError?: (error: unknown) => void
}

export interface Notification {
  channel: string
  payload: string
}

const RETRY = { baseMs: 50, maxMs: 2_000 }
const STOP_MS_MAX = 2_000

export function createNotifier<Change>(options: NotifierOptions<Change>): Notifier<Change> {
  const { execute, merge, encode, intervalMs, onError = () => {} } = options
  const stopping = new AbortController()
  let stopBy = Number.POSITIVE_INFINITY
  let pending: { change: Change } | undefined
  let flushing: Promise<void> | undefined

  function add(change: Change): void {
    pending = { change: pending ? merge(pending.change, change) : change }
  }

  async function flush(): Promise<void> {
    for (let failures = 0; pending && performance.now() < stopBy; ) {
      const { change } = pending
      pending = undefined
      const startedAt = performance.now()
      try {
        await send(execute, encode(change))
        failures = 0
      } catch (error) {
        failures++
        add(change)
        onError(error)
      }
      const next = failures === 0 ? startedAt + intervalMs - performance.now() : retryMs(failures)
      if (next > 0) await pause(next, stopping.signal)
      if (failures > 0 && stopping.signal.aborted) await sleep(RETRY.baseMs)
    }
    flushing = undefined
  }

  return {
    notify(change) {
      add(change)
      flushing ??= flush()
    },
    async stop() {
      stopBy = performance.now() + STOP_MS_MAX
      stopping.abort()
      if (flushing) await withTimeout(STOP_MS_MAX, 'Postgres', flushing).catch(onError)
    },
  }
}

/**
 * Notifies in the transaction that is open, for what is rare and has nobody who would notify in its place.
 * Its commit waits for all others that notify.
 */
export async function notifyAtCommit(
  execute: NotifierOptions<unknown>['execute'],
  notifications: readonly Notification[],
): Promise<void> {
  if (notifications.length > 0)
    await execute(notifySql('pg_notify(channel, payload)'), columnsOf(notifications))
}

async function send(
  execute: NotifierOptions<unknown>['execute'],
  notifications: readonly Notification[],
): Promise<void> {
  // A NOTIFY takes a transaction id, so without the setting its commit would wait for the disk.
  const select = "set_config('synchronous_commit', 'off', true), pg_notify(channel, payload)"
  if (notifications.length > 0) await execute(notifySql(select), columnsOf(notifications))
}

function notifySql(select: string): string {
  return `SELECT ${select} FROM unnest($1::text[], $2::text[]) AS n (channel, payload)`
}

function columnsOf(notifications: readonly Notification[]): string[][] {
  return [notifications.map(({ channel }) => channel), notifications.map(({ payload }) => payload)]
}

function retryMs(failures: number): number {
  return backoffMs(failures - 1, RETRY)
}

/** As few payloads as hold all the parts, which are short; each begins with the prefix. */
export function packPayloads(parts: Iterable<string>, separator: string, prefix = ''): string[] {
  const payloads: string[] = []
  let payload: string | undefined
  for (const part of parts) {
    const longer: string = payload === undefined ? prefix + part : payload + separator + part
    if (payload !== undefined && longer.length > LIMITS.notifyBytesMax) {
      payloads.push(payload)
      payload = prefix + part
    } else payload = longer
  }
  if (payload !== undefined) payloads.push(payload)
  return payloads
}
