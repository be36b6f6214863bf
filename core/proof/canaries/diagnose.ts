import { TOPICS } from '../../../contract/log/topics.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { Log } from '../../log/log.ts'
import type { Delivery } from './deliver-canary.ts'

/** What may fail between a sender and a query. Postgres is not among them: without it nothing is known of canaries. */
export type FailingComponent = 'edge' | 'gateway' | 'log' | 'worker' | 'redis'

const LOG_MS_MAX = 3_000

/**
 * Which component kept a canary from becoming visible: the one at which it stopped.
 * @param tryLog appends another canary
 */
export async function findFailing(
  delivery: Delivery,
  log: Pick<Log, 'offsets'>,
  tryLog: () => Promise<unknown>,
): Promise<FailingComponent> {
  if (delivery.kind === 'refused') {
    if (delivery.code === 'LIMITER_UNAVAILABLE') return 'redis'
    if (delivery.code === 'KEYS_UNAVAILABLE') return 'gateway'
    if (delivery.code !== 'LOG_UNAVAILABLE') return 'edge'
    // Between the edge and the log is the gateway.
    return tryLog().then(
      () => 'gateway',
      () => 'log',
    )
  }
  const { partition, offset } = delivery
  return withTimeout(LOG_MS_MAX, 'the log', log.offsets(TOPICS.raw.name)).then(
    (offsets) => {
      const end = offsets.find((each) => each.partition === partition)?.lastStableOffset ?? 0
      // Not applied, or applied and made something else of.
      return end > offset ? 'worker' : 'log'
    },
    () => 'log',
  )
}
