import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import {
  BUCKET_15M_MS,
  bucket15mOf,
  decodeChangedBuckets,
  encodeChangedBuckets,
} from './changed-buckets.ts'

const at = (tenantId: number, quarter: number) => ({ tenantId, ms: quarter * BUCKET_15M_MS + 1 })

test('quarters that follow each other are told as one', () => {
  expect(
    encodeChangedBuckets([at(1, 10), at(1, 12), at(2, 7), at(1, 11), at(1, 20), at(1, 20)]),
  ).toBe('1:10-12,20;2:7')
})

test('whatever was touched is told, and what is told can be read, however much it is', () => {
  const quarter = fc.integer({ min: -40_000, max: 3_000_000 })
  const touched = fc.array(fc.record({ tenantId: fc.integer({ min: 1, max: 2_000 }), quarter }), {
    minLength: 1,
    maxLength: 3_000,
  })
  fc.assert(
    fc.property(touched, (all) => {
      const payload = encodeChangedBuckets(
        all.map(({ tenantId, quarter }) => at(tenantId, quarter)),
      )
      expect(payload.length).toBeLessThanOrEqual(LIMITS.notifyBytesMax)
      const read = decodeChangedBuckets(payload)
      for (const { tenantId, quarter } of read ? all : [])
        expect(
          read?.get(tenantId)?.some(({ first, last }) => first <= quarter && quarter <= last),
        ).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('few touches are told exactly', () => {
  const few = fc.array(fc.integer({ min: -40_000, max: 3_000_000 }), {
    minLength: 1,
    maxLength: 50,
  })
  fc.assert(
    fc.property(few, (quarters) => {
      const ranges = decodeChangedBuckets(
        encodeChangedBuckets(quarters.map((quarter) => at(1, quarter))),
      )?.get(1)
      const told = ranges?.reduce((sum, { first, last }) => sum + last - first + 1, 0)
      expect(told).toBe(new Set(quarters).size)
    }),
  )
})

test('nothing is told as nothing, and not as everything', () => {
  expect(decodeChangedBuckets(encodeChangedBuckets([]))).toEqual(new Map())
  expect(decodeChangedBuckets('')).toBeUndefined()
})

test('the end of a quarter belongs to the next', () => {
  expect([bucket15mOf(BUCKET_15M_MS - 1), bucket15mOf(BUCKET_15M_MS), bucket15mOf(-1)]).toEqual([
    0, 1, -1,
  ])
})
