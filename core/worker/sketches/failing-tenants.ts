import { backoffMs } from '../../lib/backoff.ts'
import type { Logger } from '../../lib/logger.ts'

/** Tenants whose sketches could not be derived; each waits, longer each time, and the others go on. */
export interface FailingTenants {
  /** Those that wait. */
  waiting(): number[]
  /** It has failed this often in a row, and still does. */
  failures(tenantId: number): number
  /**
   * Runs the work of a tenant that does not wait.
   * @returns undefined where it failed, or where the tenant waits
   * @throws where the connection cannot be used any more
   */
  attempt<T>(tenantId: number, work: () => Promise<T>): Promise<T | undefined>
}

const RETRY = { baseMs: 60_000, maxMs: 3_600_000 }

export function createFailingTenants(
  logger: Pick<Logger, 'warn'> | undefined,
  what = 'sketches',
): FailingTenants {
  const failing = new Map<number, { failures: number; retryAtMs: number }>()
  const waits = (tenantId: number) =>
    (failing.get(tenantId)?.retryAtMs ?? Number.NEGATIVE_INFINITY) > performance.now()

  return {
    waiting: () => [...failing.keys()].filter(waits),
    failures: (tenantId) => failing.get(tenantId)?.failures ?? 0,
    async attempt(tenantId, work) {
      if (waits(tenantId)) return undefined
      try {
        const result = await work()
        failing.delete(tenantId)
        return result
      } catch (error) {
        const failures = (failing.get(tenantId)?.failures ?? 0) + 1
        const waitMs = backoffMs(failures - 1, RETRY)
        failing.set(tenantId, { failures, retryAtMs: performance.now() + waitMs })
        logger?.warn(
          { tenantId, failures, error: String(error) },
          `deriving ${what} of a tenant failed, retrying in ${waitMs / 60_000} min`,
        )
        // Any other than one that a statement ended with may have left the connection unusable.
        if ((error as { severity?: unknown }).severity !== 'ERROR') throw error
        return undefined
      }
    },
  }
}
