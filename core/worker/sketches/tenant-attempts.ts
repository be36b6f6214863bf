import type pg from 'pg'
import { backoffMs } from '../../lib/backoff.ts'
import type { Logger } from '../../lib/logger.ts'

/** Work for one tenant after the other, on one connection: a tenant whose work fails is left out for a while. */
export interface TenantAttempts {
  /** @returns undefined where it failed. @throws where the connection broke */
  run<T>(client: pg.ClientBase, tenantId: number, work: () => Promise<T>): Promise<T | undefined>
  isWaiting(tenantId: number): boolean
  /** It failed at least FAILURES_MAX times in a row, which takes two hours. */
  isStuck(tenantId: number): boolean
  /** Those that are left out now. */
  waiting(): number[]
}

const WAIT = { baseMs: 60_000, maxMs: 3_600_000 }
const FAILURES_MAX = 8
/** Beyond it the one that failed first is tried again. */
const TENANTS_MAX = 10_000

/** Hours that are final and those that were revised fail apart. */
export function createTenantAttempts(now: () => number, logger: Pick<Logger, 'warn'> | undefined) {
  return { final: ofHours('final', now, logger), revised: ofHours('revised', now, logger) }
}

function ofHours(
  hours: string,
  now: () => number,
  logger: Pick<Logger, 'warn'> | undefined,
): TenantAttempts {
  const failures = new Map<number, { count: number; untilMs: number }>()
  const isWaiting = (tenantId: number) => (failures.get(tenantId)?.untilMs ?? -Infinity) > now()

  function fail(tenantId: number, error: unknown): void {
    const { count = 0 } = failures.get(tenantId) ?? {}
    const waitMs = backoffMs(count, WAIT)
    failures.delete(tenantId)
    if (failures.size >= TENANTS_MAX) failures.delete(failures.keys().next().value as number)
    failures.set(tenantId, { count: count + 1, untilMs: now() + waitMs })
    logger?.warn(
      { tenant_id: tenantId, hours, error: String(error), retry_s: waitMs / 1_000 },
      'deriving sketches of a tenant failed, retrying; others go on',
    )
  }

  return {
    isWaiting,
    isStuck: (tenantId) => (failures.get(tenantId)?.count ?? 0) >= FAILURES_MAX,
    waiting: () => [...failures.keys()].filter(isWaiting),
    async run(client, tenantId, work) {
      try {
        const result = await work()
        failures.delete(tenantId)
        return result
      } catch (error) {
        const isBroken = await client.query('SELECT').then(
          () => false,
          () => true,
        )
        if (isBroken) throw error
        fail(tenantId, error)
        return undefined
      }
    },
  }
}
