import { describe, expect, test } from 'vitest'
import { HyperLogLog, hashOf, UNIQUES_STANDARD_ERROR } from './hyperloglog.ts'

/** Repeatable 32-bit numbers: xorshift128 of Marsaglia, "Xorshift RNGs" (2003). */
function randomWords(seed: number): () => number {
  const state = new Uint32Array([seed, 0x9e3779b9, 0x243f6a88, 0xb7e15162])
  const next = () => {
    const [x, , , w] = state as unknown as [number, number, number, number]
    const t = x ^ (x << 11)
    state.copyWithin(0, 1)
    state[3] = w ^ (w >>> 19) ^ t ^ (t >>> 8)
    return state[3] as number
  }
  for (let i = 0; i < 20; i++) next()
  return next
}

function randomSketch(seed: number, members: number): HyperLogLog {
  const next = randomWords(seed)
  const sketch = new HyperLogLog()
  for (let i = 0; i < members; i++) sketch.addHash(next(), next())
  return sketch
}

function sketchOf(members: Iterable<string>): HyperLogLog {
  const sketch = new HyperLogLog()
  for (const member of members) sketch.add(member)
  return sketch
}

const numbered = (from: number, before: number) =>
  Array.from({ length: before - from }, (_, i) => `actor-${from + i}`)

describe('hashes', () => {
  test.each([
    // FIPS 180-4, its published examples.
    ['', 'e3b0c44298fc1c14'],
    ['abc', 'ba7816bf8f01cfea'],
    ['abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', '248d6a61d20638b8'],
  ])('the hash of %j is what FIPS 180-4 publishes', (member, expected) => {
    const { high, low } = hashOf(member)
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, '0')
    expect(hex(high) + hex(low)).toBe(expected)
  })
})

describe('estimates', () => {
  test.each([0, 1, 2, 10, 100, 1_000, 3_000])('a set of %i members is counted exactly', (n) => {
    expect(sketchOf(numbered(0, n)).estimate()).toBe(n)
    // Members that come again count once.
    expect(sketchOf([...numbered(0, n), ...numbered(0, n)]).estimate()).toBe(n)
  })

  test.each([
    { members: 5_000, sets: 80 },
    { members: 40_000, sets: 40 },
    { members: 200_000, sets: 16 },
    { members: 1_000_000, sets: 4 },
  ])(
    'estimates of $members members have the stated standard error and no bias',
    ({ members, sets }) => {
      const errors = Array.from(
        { length: sets },
        (_, i) => randomSketch(1_000 * members + i + 1, members).estimate() / members - 1,
      )
      const mean = errors.reduce((sum, error) => sum + error, 0) / sets
      const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / sets)
      // Four standard errors of either figure.
      expect(Math.abs(mean)).toBeLessThan((4 * UNIQUES_STANDARD_ERROR) / Math.sqrt(sets))
      expect(deviation).toBeLessThan(UNIQUES_STANDARD_ERROR * (1 + 4 / Math.sqrt(2 * sets)))
      expect(Math.max(...errors.map(Math.abs))).toBeLessThan(4 * UNIQUES_STANDARD_ERROR)
    },
  )

  test('ten million members are estimated within three standard errors', () => {
    const error = randomSketch(7, 10_000_000).estimate() / 10_000_000 - 1
    expect(Math.abs(error)).toBeLessThan(3 * UNIQUES_STANDARD_ERROR)
  })
})

describe('merging', () => {
  const parts = [numbered(0, 10), numbered(5, 2_000), numbered(1_000, 9_000), numbered(20, 3_000)]

  test('merged sketches are, byte by byte, the sketch of the union, in any order', () => {
    const union = sketchOf(numbered(0, 9_000)).toBytes()
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [2, 0, 3, 1, 2],
    ]) {
      const merged = new HyperLogLog()
      for (const i of order) merged.merge(sketchOf(parts[i] as string[]))
      expect(merged.toBytes().equals(union)).toBe(true)
    }
  })

  test('merged small sketches stay exact', () => {
    const merged = sketchOf(numbered(0, 1_000))
    merged.merge(sketchOf(numbered(500, 2_500)))
    expect(merged.estimate()).toBe(2_500)
  })

  test('of all hashes, the least of each register gives the same dense sketch', () => {
    const all = numbered(0, 50_000).map(hashOf)
    const least = new Map<number, { high: number; low: number }>()
    const isLess = (a: { high: number; low: number }, b: { high: number; low: number }) =>
      a.high >>> 0 !== b.high >>> 0 ? a.high >>> 0 < b.high >>> 0 : a.low >>> 0 < b.low >>> 0
    for (const hash of all) {
      const found = least.get(hash.high >>> 18)
      if (!found || isLess(hash, found)) least.set(hash.high >>> 18, hash)
    }
    const reduced = new HyperLogLog()
    reduced.toDense()
    for (const { high, low } of least.values()) reduced.addHash(high, low)
    expect(reduced.toBytes().equals(sketchOf(numbered(0, 50_000)).toBytes())).toBe(true)
  })
})

describe('bytes', () => {
  test('an hour with ten actors takes tens of bytes, and no sketch more than 12.3 kB', () => {
    expect(sketchOf(numbered(0, 10)).toBytes().length).toBeLessThan(60)
    expect(sketchOf(numbered(0, 3_072)).toBytes().length).toBeLessThan(12_300)
    expect(sketchOf(numbered(0, 20_000)).toBytes().length).toBe(12_290)
  })

  test.each([0, 1, 10, 3_072, 3_073, 20_000])('a sketch of %i members survives its bytes', (n) => {
    const sketch = sketchOf(numbered(0, n))
    const copy = HyperLogLog.fromBytes(sketch.toBytes())
    expect(copy.estimate()).toBe(sketch.estimate())
    expect(copy.toBytes().equals(sketch.toBytes())).toBe(true)
  })

  test('the bytes of a sketch stay what they are', () => {
    // Written by format 1: rows of it outlive the code that wrote them.
    expect(sketchOf(['ada', 'grace', 'linus']).toBytes().toString('hex')).toBe(
      '0100c1b6feb404c1c3c5cb09818cf5ee01',
    )
  })

  test.each([
    ['nothing', ''],
    ['an unknown format', '0200'],
    ['an unknown kind', '0102'],
    ['too few registers', '0101ffff'],
    ['a register that is too large', `0101${'ff'.repeat(12_288)}`],
    ['a slot without zeros', '010040'],
    ['a slot that comes twice', '010041010000'],
    ['a slot beyond the last', `0100${'ff'.repeat(4)}7f`],
    ['an unfinished slot', '010081'],
    ['bytes after the registers', `0101${'00'.repeat(12_289)}`],
  ])('%s is refused', (_, hex) => {
    expect(() => HyperLogLog.fromBytes(Buffer.from(hex, 'hex'))).toThrow('invalid sketch')
  })
})
