import { LIMITS } from '../../contract/limits.ts'
import { type Budgets, sharesOfAddress } from './budgets.ts'
import type { ByteBudget, Share } from './byte-budget.ts'

/** Counts one body while it arrives. */
export interface BodyCount {
  /** A body without encoding whose declared length is no more than this is read at once, which is faster. */
  wholeBytesMax: number
  /** Such a body, before it is read. @throws OVERLOADED */
  whole(bytes: number): void
  /** So much more of another body is there, decoded. @throws OVERLOADED */
  arrived(bytes: number): void
}

export type HeldCount = BodyCount & { release(): void }

/** In steps: a million chunks of one byte must not become a million reservations. */
const STEP_BYTES = 4 * 1024

/** Small bodies of a known key are not counted: its operator trusts it, and most bodies are small. */
export function countOfKey({ reading }: Budgets, keyId: string): HeldCount {
  const shares = [{ owner: `key ${keyId}`, bytesMax: LIMITS.edgeBytesReadingPerKeyMax }]
  const { hold, release } = createHold(reading, shares)
  return {
    wholeBytesMax: 64 * 1024,
    whole() {},
    arrived: inSteps(hold, Math.floor),
    release,
  }
}

/**
 * A body that carries its key itself counts from its first byte, because anyone may open a thousand connections
 * and let their bodies wait; up to wholeBytesMax it counts as long as it is declared.
 * @param address group of addresses; '' where the runtime knows none
 */
export function countOfStranger({ readingUnknown }: Budgets, address: string): HeldCount {
  const { hold, release } = createHold(readingUnknown, sharesOfAddress(address))
  return { wholeBytesMax: 16 * 1024, whole: hold, arrived: inSteps(hold, Math.ceil), release }
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

function inSteps(hold: (bytes: number) => void, round: (steps: number) => number) {
  let arrived = 0
  let held = 0
  return (bytes: number): void => {
    arrived += bytes
    const more = round(arrived / STEP_BYTES) * STEP_BYTES - held
    if (more <= 0) return
    hold(more)
    held += more
  }
}
