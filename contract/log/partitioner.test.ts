import { expect, test } from 'vitest'
import { murmur2, partitionFor } from './partitioner.ts'

/** From Kafka's UtilsTest#testMurmur2. */
const VECTORS: [string, number][] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

test.each(VECTORS)('murmur2(%s) equals the hash of the Java client', (key, hash) => {
  expect(murmur2(Buffer.from(key))).toBe(hash)
})

/** `Utils.toPositive(murmur2(key)) % 6`, which is not the absolute value of the hash. */
test.each(VECTORS)('the partition of %s equals that of the Java client', (key, hash) => {
  const positive = hash < 0 ? hash + 2 ** 31 : hash
  expect(partitionFor(Buffer.from(key), 6)).toBe(positive % 6)
})

test('the partitioner returns no negative partition and uses all of them', () => {
  const used = new Set(
    Array.from({ length: 1_000 }, (_, i) => partitionFor(Buffer.from(`key ${i}`), 6)),
  )
  expect([...used].sort()).toEqual([0, 1, 2, 3, 4, 5])
})
