import { describe, expect, test } from 'vitest'
import { DDSketch, QUANTILE_ERROR } from './ddsketch.ts'

function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

function sketchOf(values: readonly number[]): DDSketch {
  const sketch = new DDSketch()
  for (const value of values) sketch.add(value)
  return sketch
}

/** As Postgres' percentile_cont. */
function neighboursOf(values: readonly number[], q: number) {
  const sorted = [...values].sort((a, b) => a - b)
  const rank = q * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(rank)] as number, sorted[Math.ceil(rank)] as number]
  const part = rank - Math.floor(rank)
  return { low, high, exact: low * (1 - part) + high * part }
}

const DISTRIBUTIONS: Record<string, (next: () => number) => number> = {
  uniform: (next) => next() * 1_000,
  'log-normal': (next) =>
    Math.exp(10 * Math.sqrt(-2 * Math.log(next() || 1)) * Math.cos(6.2832 * next())),
  Pareto: (next) => 1 / (1 - next()) ** 2,
  'few integers': (next) => Math.floor(next() * 5),
  negative: (next) => -Math.exp(next() * 20 - 10),
  signed: (next) => (next() - 0.5) * 10 ** Math.floor(next() * 12 - 6),
}
const QUANTILES = [0, 0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1]

describe('quantiles', () => {
  test.each(Object.keys(DISTRIBUTIONS))('quantiles of %s numbers are within 1 %%', (kind) => {
    const draw = DISTRIBUTIONS[kind] as (next: () => number) => number
    for (const [seed, count] of [
      [1, 1],
      [2, 2],
      [3, 50],
      [4, 20_000],
      [5, 3_001],
    ] as const) {
      const next = dice(seed)
      const values = Array.from({ length: count }, () => draw(next))
      const sketch = sketchOf(values)
      expect(sketch.errorBound).toBe(QUANTILE_ERROR)
      for (const q of QUANTILES) {
        const { low, high, exact } = neighboursOf(values, q)
        const bound = QUANTILE_ERROR * Math.max(Math.abs(low), Math.abs(high)) * (1 + 1e-9)
        expect(Math.abs((sketch.quantile(q) as number) - exact)).toBeLessThanOrEqual(bound)
      }
    }
  })

  test('the smallest and the largest number are exact, and nothing has no quantile', () => {
    const values = [-1.234_567e300, -3, 0, 1e-300, 9.876_543_21]
    expect(sketchOf(values).quantile(0)).toBe(-1.234_567e300)
    expect(sketchOf(values).quantile(1)).toBe(9.876_543_21)
    expect(new DDSketch().quantile(0.5)).toBeUndefined()
  })

  test('the largest and the smallest doubles have bins of their own', () => {
    for (const value of [Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, -0, 0]) {
      const sketch = sketchOf([value, value, value])
      expect(sketch.quantile(0.5)).toBe(value + 0)
      expect(DDSketch.fromBytes(sketch.toBytes()).quantile(0.5)).toBe(value + 0)
    }
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    '%s is refused',
    (value) => {
      expect(() => new DDSketch().add(value)).toThrow('not a finite number')
    },
  )
})

describe('merging', () => {
  test('merged sketches are, byte by byte, the sketch of all numbers, in any order', () => {
    const next = dice(9)
    // Over the whole range of doubles, so that bins collapse as well.
    const draw = () => (next() - 0.5) * 10 ** Math.floor(next() * 300 - 150)
    const parts = Array.from({ length: 7 }, () => Array.from({ length: 4_000 }, draw))
    const whole = sketchOf(parts.flat()).toBytes()
    for (const order of [parts, [...parts].reverse()]) {
      const merged = new DDSketch()
      for (const part of order) merged.merge(DDSketch.fromBytes(sketchOf(part).toBytes()))
      expect(merged.toBytes().equals(whole)).toBe(true)
    }
  })
})

describe('bytes', () => {
  test('a sketch is bounded whatever its numbers are, and reports what the bound costs', () => {
    const sketch = new DDSketch()
    for (let exponent = -300; exponent < 300; exponent += 0.01) sketch.add(10 ** exponent)
    expect(sketch.toBytes().length).toBeLessThan(20_000)
    expect(sketch.errorBound).toBe(1)
    const copy = DDSketch.fromBytes(sketch.toBytes())
    expect(copy.errorBound).toBe(1)
    // Numbers of the span that is left are within 1 % as before.
    expect(copy.quantile(0.99)).toBe(sketch.quantile(0.99))
    expect((copy.quantile(0.99) as number) / 10 ** 293.99).toBeCloseTo(1, 1)
    expect(copy.quantile(0.1)).toBeLessThan(1e-200)
  })

  test('a sketch of numbers of one magnitude takes a few hundred bytes', () => {
    const next = dice(3)
    const values = Array.from({ length: 100_000 }, () => 10 + next() * 90)
    expect(sketchOf(values).toBytes().length).toBeLessThan(500)
  })

  test('the bytes of a sketch stay what they are', () => {
    expect(sketchOf([-2, 0, 1, 1, 250.5]).toBytes().toString('hex')).toBe(
      '010000000000000000c00000000000506f4001020002950201014601',
    )
  })

  test.each([
    ['nothing', ''],
    ['an unknown format', '0200'],
    ['unknown flags', '0102'],
    [
      'a smallest number that is not the smallest',
      `0100${'000000000000f03f'}${'0'.repeat(16)}010000`,
    ],
    ['a number that is not finite', `0100${'000000000000f07f'.repeat(2)}010000`],
    ['no number at all', `0100${'0'.repeat(32)}000000`],
    ['too many bins', `0100${'0'.repeat(32)}00814000`],
    ['a bin without numbers', `0100${'0'.repeat(32)}00010200`],
    ['a bin that comes twice', `0100${'0'.repeat(32)}000202010001`],
    ['bytes at its end', `0100${'0'.repeat(32)}0100000`.padEnd(44, '0')],
  ])('%s is refused', (_, hex) => {
    expect(() => DDSketch.fromBytes(Buffer.from(hex, 'hex'))).toThrow('invalid sketch')
  })
})
