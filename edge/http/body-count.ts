import type { KeyRecord } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { type Budgets, sharesOfAddress } from './budgets.ts'
import type { ByteBudget, Share } from './byte-budget.ts'

/** Counts one body while it arrives. */
export interface BodyCount {
  /** A body without encoding whose declared length is no more than this is read at once, which is faster; 0: none is. */
  wholeBytesMax: number
  /** Such a body, before it is read. @throws OVERLOADED */
  whole(bytes: number): void
  /** So much more of another body is there, decoded. @throws OVERLOADED */
  arrived(bytes: number): void
}

export type HeldCount = BodyCount & { release(): void }

/** In steps: a million chunks of one byte must not become a million reservations. */
const STEP_BYTES = 4 * 1024
/** Of a secret key. In workerd reading a batch chunk by chunk costs a fifth of all that is done with it. */
const WHOLE_BYTES_MAX = 256 * 1024
const UNCOUNTED_BYTES_MAX = 64 * 1024
/** Where small bodies count: most of them are one event. */
const SMALL_STEP_BYTES = 1024

/**
 * Small bodies of a secret key are not counted: its operator trusts it, and most bodies are small. A public key is
 * anybody's, so its bodies count from the first byte.
 */
export function countOfKey({ reading }: Budgets, { key_id, tenant, kind }: KeyRecord): HeldCount {
  const { hold, release } = createHold(reading, [
    { owner: `key ${key_id}`, bytesMax: LIMITS.edgeBytesReadingPerKeyMax },
    { owner: `tenant ${tenant}`, bytesMax: LIMITS.edgeBytesReadingPerTenantMax },
  ])
  if (kind === 'pub')
    return {
      wholeBytesMax: 0,
      whole() {},
      arrived: inSteps(hold, Math.ceil, SMALL_STEP_BYTES),
      release,
    }
  return {
    wholeBytesMax: WHOLE_BYTES_MAX,
    whole(bytes) {
      if (bytes > UNCOUNTED_BYTES_MAX) hold(bytes)
    },
    arrived: inSteps(hold, Math.floor),
    release,
  }
}

/**
 * A body that carries its key itself counts from its first byte, because anyone may open a thousand connections
 * and let their bodies wait. What is only declared counts for nothing, or heads alone would fill the budget.
 * @param address group of addresses; '' where the runtime knows none
 */
export function countOfStranger({ readingUnknown }: Budgets, address: string): HeldCount {
  const { hold, release } = createHold(readingUnknown, sharesOfAddress(address))
  return { wholeBytesMax: 0, whole() {}, arrived: inSteps(hold, Math.ceil), release }
}

function createHold(budget: ByteBudget, shares: readonly Share[]) {
  let releases: (() => void)[] | undefined
  return {
    hold(bytes: number): void {
      releases ??= []
      releases.push(budget.acquire(bytes, shares))
    },
    release(): void {
      for (const release of releases ?? []) release()
    },
  }
}

function inSteps(
  hold: (bytes: number) => void,
  round: (steps: number) => number,
  stepBytes = STEP_BYTES,
) {
  let arrived = 0
  let held = 0
  return (bytes: number): void => {
    arrived += bytes
    const more = round(arrived / stepBytes) * stepBytes - held
    if (more <= 0) return
    hold(more)
    held += more
  }
}
