import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import {
  BUCKET_15M_MS,
  bucket15mOf,
  decodeChangedBuckets,
  encodeChangedBuckets,
} from './changed-buckets.ts'

const at = (tenantId: number, bucket: number) => ({ tenantId, ms: bucket * BUCKET_15M_MS + 1 })

test('consecutive buckets are encoded as one range', () => {
  expect(
    encodeChangedBuckets([at(1, 10), at(1, 12), at(2, 7), at(1, 11), at(1, 20), at(1, 20)]),
  ).toBe('1:10-12,20;2:7')
})

test('every changed bucket is in the payload, however many there are, and the payload can be decoded', () => {
  const bucket = fc.integer({ min: -40_000, max: 3_000_000 })
  const changed = fc.array(fc.record({ tenantId: fc.integer({ min: 1, max: 2_000 }), bucket }), {
    minLength: 1,
    maxLength: 3_000,
  })
  fc.assert(
    fc.property(changed, (all) => {
      const payload = encodeChangedBuckets(all.map(({ tenantId, bucket }) => at(tenantId, bucket)))
      expect(payload.length).toBeLessThanOrEqual(LIMITS.notifyBytesMax)
      const read = decodeChangedBuckets(payload)
      for (const { tenantId, bucket } of read ? all : [])
        expect(
          read?.get(tenantId)?.some(({ first, last }) => first <= bucket && bucket <= last),
        ).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('a few changed buckets are encoded exactly', () => {
  const few = fc.array(fc.integer({ min: -40_000, max: 3_000_000 }), {
    minLength: 1,
    maxLength: 50,
  })
  fc.assert(
    fc.property(few, (buckets) => {
      const ranges = decodeChangedBuckets(
        encodeChangedBuckets(buckets.map((bucket) => at(1, bucket))),
      )?.get(1)
      const count = ranges?.reduce((sum, { first, last }) => sum + last - first + 1, 0)
      expect(count).toBe(new Set(buckets).size)
    }),
  )
})

test('an empty change is encoded as nothing, not as everything', () => {
  expect(decodeChangedBuckets(encodeChangedBuckets([]))).toEqual(new Map())
  expect(decodeChangedBuckets('')).toBeUndefined()
})

test('the end of a bucket belongs to the next one', () => {
  expect([bucket15mOf(BUCKET_15M_MS - 1), bucket15mOf(BUCKET_15M_MS), bucket15mOf(-1)]).toEqual([
    0, 1, -1,
  ])
})
