export interface SeededRandom {
  /** 0 ≤ n < below */
  int(below: number): number
  pick<T>(values: readonly T[]): T
}

/** The same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const int = (below: number) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
  return { int, pick: (values) => values[int(values.length)] as (typeof values)[number] }
}
