import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../api/graphql/testing/fixture.ts'
import { type TenantViewer, tenantViewer } from '../identity/viewer.ts'
import { QUERY_LIMITS } from './limits.ts'
import { recentBuckets } from './recent-buckets.ts'

let fixture: QueryFixture
let viewer: TenantViewer
beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
})
afterAll(() => fixture.close())

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()

test('events of the window are counted by name and bucket, newest first, beyond the most frequent names together', async () => {
  const recent = (name: string, seconds: number) => ({ name, receivedAt: ago(seconds) })
  const rare = Array.from({ length: QUERY_LIMITS.groupsMax + 3 }, (_, i) => recent(`rare-${i}`, 40))
  await fixture.store('default', [
    ...[21, 22, 41, 61].map((seconds) => recent('click', seconds)),
    ...rare,
    recent('click', 400),
    // Received now, and not of the window.
    { name: 'click', receivedAt: ago(1), occurredAt: ago(400) },
  ])
  await fixture.store('other', [recent('click', 10)])
  const { rows } = await recentBuckets(fixture.db, viewer, {
    windowSeconds: 300,
    bucketSeconds: 60,
  })
  const sum = (name: string) =>
    rows.filter((row) => row.name === name).reduce((total, { count }) => total + count, 0)
  expect(sum('click')).toBe(4)
  // One place of the most frequent names is taken by "click".
  expect(sum('(other)')).toBe(4)
  expect(sum('rare-0')).toBe(1)
  const starts = rows.map(({ timestamp }) => Date.parse(timestamp))
  expect(starts).toEqual([...starts].sort((a, b) => b - a))
  expect(starts.filter((start) => start % 60_000 !== 0)).toEqual([])
})

test.each([
  [{ windowSeconds: 0, bucketSeconds: 1 }, 'windowSeconds'],
  [{ windowSeconds: 3_601, bucketSeconds: 10 }, 'windowSeconds'],
  [{ windowSeconds: 3_600, bucketSeconds: 9 }, 'bucketSeconds'],
  [{ windowSeconds: 10, bucketSeconds: 0 }, 'bucketSeconds'],
])('%o is refused', async (args, argument) => {
  await expect(recentBuckets(fixture.db, viewer, args)).rejects.toMatchObject({
    details: { argument },
  })
})
