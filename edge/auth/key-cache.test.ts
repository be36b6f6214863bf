import { expect, it } from 'vitest'
import { type KeyRecord, mintApiKey, sha256Hex } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { HttpProblem } from '../http/http-problem.ts'
import type { ReportEntry } from '../http/report.ts'
import { createKeyCache } from './key-cache.ts'
import type { KeyDirectory } from './key-directory.ts'
import type { SharedUnknownKeys } from './shared-unknown-keys.ts'

const { keyCacheFreshMs: fresh, keyCacheStaleMs: stale, keyCacheUnknownMs: unknown } = LIMITS

/** A directory in memory that can fail or wait, and a clock that stands still. */
function setUp(sharedUnknownKeys?: SharedUnknownKeys) {
  const records = new Map<string, KeyRecord>()
  const state = {
    asked: 0,
    broken: false,
    now: 0,
    ageMs: 0,
    hold: Promise.resolve(),
    waits: [] as number[],
  }
  const reports: ReportEntry[] = []
  const directory: KeyDirectory = {
    async find(sha) {
      state.asked++
      await state.hold
      if (state.broken) throw new Error('no record of the key slc_secret')
      const record = records.get(sha)
      return record && { record, ageMs: state.ageMs }
    },
  }
  const find = createKeyCache({
    directory,
    now: () => state.now,
    report: (reported) => reports.push(reported),
    sharedUnknownKeys,
    wait: async (ms) => {
      state.waits.push(ms)
    },
  })
  async function add(key: string, record: Partial<KeyRecord> = {}) {
    records.set(await sha256Hex(key), { key_id: key.slice(-4), ...record } as KeyRecord)
    return key
  }
  return { records, state, reports, find, add }
}

it('a known key is looked up again once its record has lost its freshness', async () => {
  const { state, find, add } = setUp()
  const key = await add(mintApiKey('sec'))
  for (const at of [0, 1, fresh - 1]) {
    state.now = at
    expect(await find(key)).toBeDefined()
  }
  expect(state.asked).toBe(1)
  state.now = fresh
  await find(key)
  expect(state.asked).toBe(2)
})

it('a record that was old when it came stays fresh for less time', async () => {
  const { state, find, add } = setUp()
  const key = await add(mintApiKey('sec'))
  state.now = 100_000
  state.ageMs = 6_000
  await find(key)
  state.broken = true
  state.now = 100_000 + fresh - 6_001
  expect(await find(key)).toBeDefined()
  expect(state.asked).toBe(1)
  state.now++
  expect(await find(key)).toBeDefined()
  expect(state.asked).toBe(2)
  state.now = 100_000 + fresh + stale - 6_000
  await expect(find(key)).rejects.toThrow(HttpProblem)
})

it('a revocation takes effect once the cached record has lost its freshness', async () => {
  const { state, find, add } = setUp()
  const key = await add(mintApiKey('sec'))
  await find(key)
  await add(key, { revoked_at: '2026-11-21T09:00:00Z' })
  state.now = fresh
  expect((await find(key))?.revoked_at).toBe('2026-11-21T09:00:00Z')
})

it('a key that is gone from the directory is unknown immediately, not stale', async () => {
  const { state, records, find, add } = setUp()
  const key = await add(mintApiKey('sec'))
  await find(key)
  records.clear()
  state.now = fresh
  expect(await find(key)).toBeUndefined()
})

it('while the directory fails a known key is accepted for a while, but not for a minute', async () => {
  const { state, find, add, reports } = setUp()
  const key = await add(mintApiKey('sec'))
  await find(key)
  state.broken = true
  for (let at = fresh; at < fresh + stale; at += 1_000) {
    state.now = at
    expect(await find(key)).toBeDefined()
  }
  state.now = fresh + stale
  expect(state.now).toBeLessThan(60_000)
  await expect(find(key)).rejects.toThrow(HttpProblem)
  expect(reports.length).toBeGreaterThan(0)
  expect(JSON.stringify(reports)).not.toContain('slc_')
})

it('while the directory fails a stale record is accepted to the last millisecond', async () => {
  for (const tooLate of [0, 1]) {
    const { state, find, add } = setUp()
    const key = await add(mintApiKey('sec'))
    await find(key)
    state.broken = true
    state.now = fresh + stale - 1 + tooLate
    if (tooLate) await expect(find(key)).rejects.toMatchObject({ code: 'KEYS_UNAVAILABLE' })
    else expect(await find(key)).toBeDefined()
  }
})

it('a key that is not cached cannot be checked while the directory fails', async () => {
  const { state, find, add } = setUp()
  const key = await add(mintApiKey('sec'))
  state.broken = true
  await expect(find(key)).rejects.toMatchObject({ code: 'KEYS_UNAVAILABLE' })
  state.broken = false
  expect(await find(key)).toBeDefined()
})

it('an unknown key is cached too, for a shorter time', async () => {
  const { state, find, add } = setUp()
  const key = mintApiKey('sec')
  expect(await find(key)).toBeUndefined()
  await add(key)
  state.now = unknown - 1
  expect(await find(key)).toBeUndefined()
  expect(state.asked).toBe(1)
  state.now = unknown
  expect(await find(key)).toBeDefined()
})

it('while one request refreshes a key, concurrent ones do not wait', async () => {
  const { state, find, add } = setUp()
  const key = await add(mintApiKey('sec'))
  await find(key)
  state.now = fresh
  let open = () => {}
  state.hold = new Promise((resolve) => {
    open = resolve
  })
  const asking = find(key)
  for (let i = 0; i < 10; i++) expect(await find(key)).toBeDefined()
  expect(state.asked).toBe(2)
  open()
  expect(await asking).toBeDefined()
})

it('made-up keys push no real key out of the cache, however many there are', async () => {
  const { state, find, add } = setUp()
  const key = await add(mintApiKey('sec'))
  await find(key)
  for (let i = 0; i < LIMITS.keyCacheEntriesMax + 10; i++) await find(`made-up-${i}`)
  const { asked } = state
  await find(key)
  await find(`made-up-${LIMITS.keyCacheEntriesMax}`)
  expect(state.asked).toBe(asked)
  // The bound holds: the oldest of them has to be looked up again.
  await find('made-up-0')
  expect(state.asked).toBe(asked + 1)
}, 20_000)

it('made-up keys of an address get a 429 after their turn, and a good key that nobody knew yet is let in', async () => {
  const { state, find, add } = setUp()
  const here = () => '192.0.2.1'
  const known = await add(mintApiKey('sec'))
  await find(known, here)
  const flood = async (count: number) => {
    const codes: (string | undefined)[] = []
    for (let i = 0; i < count; i++)
      codes.push(
        await find(mintApiKey('sec'), here).then(
          () => undefined,
          (error: HttpProblem) => error.code,
        ),
      )
    return codes
  }
  const most = LIMITS.unknownKeysPerMinuteMax
  expect(new Set(await flood(most))).toEqual(new Set([undefined]))
  // One waits 0 ms, the next 100 ms, and so on.
  const turns = LIMITS.lookupWaitMsMax / LIMITS.lookupOverLimitMs + 1
  const good = await add(mintApiKey('sec'))
  expect(await flood(turns - 1)).toEqual(Array(turns - 1).fill('RATE_LIMITED'))
  expect(await find(good, here)).toBeDefined()
  expect(state.waits.at(-1)).toBe(LIMITS.lookupWaitMsMax)
  // Nobody else waits, and no more of them than that are looked up.
  expect(await flood(50)).toEqual(Array(50).fill('KEYS_UNAVAILABLE'))
  expect(state.asked).toBe(1 + most + turns)
  expect(await find(known, here)).toBeDefined()
  expect(await find(good, here)).toBeDefined()
  expect(await find(await add(mintApiKey('sec')), () => '192.0.2.2')).toBeDefined()
  const late = await add(mintApiKey('sec'))
  await expect(find(late, here)).rejects.toMatchObject({ code: 'KEYS_UNAVAILABLE' })
  state.now += 1_000
  expect(await find(late, here)).toBeDefined()
})

it('neither valid keys nor a failing directory count against an address', async () => {
  const { state, find, add } = setUp()
  const here = () => '192.0.2.1'
  for (let i = 0; i < 2 * LIMITS.unknownKeysPerMinuteMax; i++)
    expect(await find(await add(mintApiKey('sec')), here)).toBeDefined()
  state.broken = true
  for (let i = 0; i < 2 * LIMITS.unknownKeysPerMinuteMax; i++)
    await expect(find(mintApiKey('sec'), here)).rejects.toMatchObject({ code: 'KEYS_UNAVAILABLE' })
  state.broken = false
  expect(await find(await add(mintApiKey('sec')), here)).toBeDefined()
})

it('an unknown key that is sent repeatedly is looked up once, and counts once', async () => {
  const { state, find, add } = setUp()
  const here = () => '192.0.2.1'
  const unknownKey = mintApiKey('sec')
  for (let i = 0; i < 3 * LIMITS.unknownKeysPerMinuteMax; i++) await find(unknownKey, here)
  expect(state.asked).toBe(1)
  expect(await find(await add(mintApiKey('sec')), here)).toBeDefined()
})

it('a record counts as old as its look-up is long', async () => {
  const { state, find, add } = setUp()
  const key = await add(mintApiKey('sec'))
  const { promise, resolve } = Promise.withResolvers<void>()
  state.hold = promise
  const finding = find(key)
  await expect.poll(() => state.asked).toBe(1)
  state.now = LIMITS.keyLookupMsMax
  resolve()
  await finding
  state.now = fresh
  await find(key)
  expect(state.asked).toBe(2)
})

it('unknown keys are counted with those of other edges before their answer, good keys are not', async () => {
  const counted: string[] = []
  const shared = { waitMs: 0, done: Promise.resolve() }
  const { state, find, add } = setUp({
    async count(group) {
      counted.push(group)
      await shared.done
      return shared.waitMs
    },
  })
  const here = () => '[2001:db8:0:1::1]:443'
  await find(await add(mintApiKey('sec')), here)
  expect(counted).toEqual([])
  // In workerd, what a request does not wait for may end with it.
  const { promise, resolve } = Promise.withResolvers<void>()
  shared.done = promise
  shared.waitMs = 5_000
  let answered = false
  const refusing = find(mintApiKey('sec'), here).then((record) => {
    answered = true
    return record
  })
  await expect.poll(() => counted).toEqual(['2001:db8:0:1'])
  await new Promise((soon) => setTimeout(soon, 20))
  expect(answered).toBe(false)
  resolve()
  expect(await refusing).toBeUndefined()
  // The address is over the limit of all edges: for 5 s, and without being counted again.
  await expect(find(mintApiKey('sec'), here)).rejects.toMatchObject({
    code: 'RATE_LIMITED',
    options: { headers: { 'retry-after': '5' } },
  })
  expect(await find(await add(mintApiKey('sec')), here)).toBeDefined()
  expect(counted).toHaveLength(1)
  state.now += 5_000
  shared.waitMs = 0
  expect(await find(mintApiKey('sec'), here)).toBeUndefined()
  expect(counted).toHaveLength(2)
})
