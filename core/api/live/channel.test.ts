import { afterAll, beforeAll, expect, test } from 'vitest'
import { tenantViewer } from '../../identity/viewer.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { createChannel } from './channel.ts'

let fixture: QueryFixture
beforeAll(async () => {
  fixture = await createQueryFixture()
})
afterAll(() => fixture.close())

test('while a refresh fails the numbers stay and grow older, and no event is shown again', async () => {
  let now = Date.now()
  let isAway = false
  const pipeline = async () => {
    if (isAway) throw new Error('away')
    return { lagMs: 4_000, failingComponent: null }
  }
  const { db } = fixture
  const viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
  const channel = createChannel({ db, pipeline, now: () => now }, viewer)
  const refresh = async () => {
    const { recent, eventsPerMinute, lagSeconds, failingComponent } = await channel.refresh()
    return [recent.map(({ id }) => id), eventsPerMinute, lagSeconds, failingComponent]
  }
  await fixture.store('default', [{ id: 'a' }])
  expect(await refresh()).toEqual([['a'], 1, 4, null])
  isAway = true
  for (const seconds of [0, 1, 60]) {
    now += seconds * 1_000
    expect(await refresh()).toEqual([[], 1, 4 + (seconds === 60 ? 61 : seconds), 'database'])
  }
  expect(channel.newest().map(({ id }) => id)).toEqual(['a'])
  // A row without a notification: the refresh reads it all the same.
  await fixture.store('default', [{ id: 'b' }])
  expect(await refresh()).toEqual([[], 1, 65, 'database'])
  isAway = false
  expect(await refresh()).toEqual([['b'], 2, 4, null])
})

test('before the first refresh that succeeds there are no numbers', async () => {
  const { db } = fixture
  const viewer = await tenantViewer(db, { kind: 'SESSION' }, 'other')
  const pipeline = () => Promise.reject(new Error('away'))
  const channel = createChannel({ db, pipeline, now: () => 0 }, viewer)
  expect(await channel.refresh()).toEqual({
    at: '1970-01-01T00:00:00.000Z',
    eventsPerMinute: 0,
    minutes: [],
    recent: [],
    lagSeconds: 0,
    failingComponent: 'database',
  })
})
