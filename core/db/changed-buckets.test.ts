import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import {
  BUCKET_15M_MS,
  bucket15mOf,
  type ChangedBuckets,
  changedBuckets,
  decodeChangedBuckets,
  EVERYTHING,
  encodeChangedBuckets,
  encodeChangedTenants,
  mergeChangedBuckets,
} from './changed-buckets.ts'

const at = (tenantId: number, bucket: number) => ({ tenantId, ms: bucket * BUCKET_15M_MS + 1 })
const encode = (changed: Iterable<{ tenantId: number; ms: number }>) =>
  encodeChangedBuckets(changedBuckets(changed))
/** How many buckets the payloads name, by tenant. */
function countsOf(payloads: readonly string[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const payload of payloads)
    for (const [tenantId, ranges] of decodeChangedBuckets(payload) ?? [])
      for (const { first, last } of ranges)
        counts.set(tenantId, (counts.get(tenantId) ?? 0) + last - first + 1)
  return counts
}

test('consecutive buckets are encoded as one range', () => {
  expect(encode([at(1, 10), at(1, 12), at(2, 7), at(1, 11), at(1, 20), at(1, 20)])).toEqual([
    '1:10-12,20;2:7',
  ])
})

test('every changed bucket is in a payload, however many there are, and each payload can be decoded', () => {
  const bucket = fc.integer({ min: -40_000, max: 3_000_000 })
  const changed = fc.array(fc.record({ tenantId: fc.integer({ min: 1, max: 2_000 }), bucket }), {
    minLength: 1,
    maxLength: 3_000,
  })
  fc.assert(
    fc.property(changed, (all) => {
      const payloads = encode(all.map(({ tenantId, bucket }) => at(tenantId, bucket)))
      expect(Math.max(...payloads.map(({ length }) => length))).toBeLessThanOrEqual(
        LIMITS.notifyBytesMax,
      )
      const read = payloads.map(decodeChangedBuckets)
      for (const { tenantId, bucket } of all)
        expect(
          read.some((ranges) =>
            ranges?.get(tenantId)?.some(({ first, last }) => first <= bucket && bucket <= last),
          ),
        ).toBe(true)
    }),
    { numRuns: 100 },
  )
})

test('buckets of four thousand tenants, and as many of one tenant, are encoded exactly', () => {
  const ids = Array.from({ length: 4_000 }, (_, i) => i + 1)
  const ofMany = encode(ids.flatMap((id) => [at(id, 1_900_000 + id), at(id, 1_950_000)]))
  expect(countsOf(ofMany)).toEqual(new Map(ids.map((id) => [id, 2])))
  const ofOne = encode(ids.map((id) => at(1, 1_900_000 + 2 * id)))
  expect(countsOf(ofOne)).toEqual(new Map([[1, 4_000]]))
  // Also at the ends of all time.
  const extreme = encode(ids.map((id) => at(2 ** 31 - 1, (id % 2 ? -1 : 1) * (9.6e9 - 3 * id))))
  expect([...countsOf(extreme).values()]).toEqual([4_000])
  for (const payloads of [ofMany, ofOne, extreme]) {
    expect(payloads.length).toBeLessThan(20)
    for (const { length } of payloads) expect(length).toBeLessThanOrEqual(LIMITS.notifyBytesMax)
  }
})

test('what 64 payloads cannot hold is encoded as one range a tenant, then as everything', () => {
  const scattered = encode(
    Array.from({ length: 90_000 }, (_, i) => at(1 + (i % 2), 1_900_000 + 4 * i)),
  )
  expect(scattered).toEqual(['1:1900000-2259992;2:1900004-2259996'])
  const tenants = (n: number) => changedBuckets(Array.from({ length: n }, (_, i) => at(1e8 + i, 0)))
  expect(encodeChangedBuckets(tenants(40_000))).toHaveLength(61)
  expect(encodeChangedBuckets(tenants(60_000))).toEqual([''])
  expect(encodeChangedTenants(tenants(60_000))).toEqual([''])
})

test('a tenant’s one range holds its first and its last bucket, also where those are within runs', () => {
  const runs = Array.from({ length: 45_000 }, (_, i) => 1_900_000 + 8 * i)
  const buckets = runs.flatMap((first) => [first, first + 1, first + 2])
  const [payload, ...others] = encode(buckets.map((bucket) => at(1, bucket)))
  expect([payload, others]).toEqual([`1:${buckets[0]}-${buckets.at(-1)}`, []])
})

test('what waits for a flush is bounded: beyond that it is everything, and everything stays so', () => {
  const of = (tenantId: number, n: number) =>
    changedBuckets(Array.from({ length: n }, (_, i) => at(tenantId, i)))
  let changed: ChangedBuckets = of(1, 60_000)
  changed = mergeChangedBuckets(changed, of(1, 60_000))
  expect(encodeChangedBuckets(changed)).toEqual(['1:0-59999'])
  changed = mergeChangedBuckets(changed, of(2, 60_000))
  expect(changed).toBe(EVERYTHING)
  changed = mergeChangedBuckets(changed, of(3, 1))
  expect([encodeChangedBuckets(changed), encodeChangedTenants(changed)]).toEqual([[''], ['']])
})

test('no change needs no notification', () => {
  expect([encode([]), encodeChangedTenants(changedBuckets([]))]).toEqual([[], []])
})

test('payloads of the former version are decoded', () => {
  expect(decodeChangedBuckets('-')).toEqual(new Map())
  expect(decodeChangedBuckets('')).toBeUndefined()
})

test('the end of a bucket belongs to the next one', () => {
  expect([bucket15mOf(BUCKET_15M_MS - 1), bucket15mOf(BUCKET_15M_MS), bucket15mOf(-1)]).toEqual([
    0, 1, -1,
  ])
})
