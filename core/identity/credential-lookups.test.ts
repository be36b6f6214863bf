import { expect, test } from 'vitest'
import { createCredentialLookups } from './credential-lookups.ts'

const ADDRESS = '192.0.2.1'
/** Unknown credentials that one address may send in a minute. */
const UNKNOWN_MAX = 60

/** Look-ups that take until they are let go, as of a slow database. */
function setUp() {
  let now = 0
  const lookups = createCredentialLookups(() => now)
  return {
    lookups,
    wait(ms: number) {
      now += ms
    },
    async spend(count = UNKNOWN_MAX) {
      for (let i = 0; i < count; i++)
        await lookups.find(`unknown ${now} ${i}`, ADDRESS, async () => undefined)
    },
    /** Looks up what nobody answers yet. @returns whether the look-up began, and how to answer it */
    ask(hash: string, address: string | null = ADDRESS) {
      const answer = Promise.withResolvers<string | undefined>()
      let asked = false
      const found = lookups.find(hash, address ?? undefined, () => {
        asked = true
        return answer.promise
      })
      found.catch(() => {})
      return { found, answer: answer.resolve, hasBegun: () => asked }
    },
  }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a credential that was good lately never waits for the look-ups of an address that sends unknown ones', async () => {
  const { lookups, spend, ask, wait } = setUp()
  await lookups.find('good', ADDRESS, async () => 'known')
  await spend()
  const slow = ask('unknown')
  await turn()
  const waiting = ask('unknown too')
  const good = ask('good')
  await turn()
  expect([slow, waiting, good].map((each) => each.hasBegun())).toEqual([true, false, true])
  good.answer('known')
  expect(await good.found).toBe('known')
  slow.answer(undefined)
  expect(await slow.found).toBeUndefined()
  await turn()
  expect(waiting.hasBegun()).toBe(true)
  waiting.answer(undefined)
  await waiting.found
  // Ten minutes later it was not good lately.
  wait(600_001)
  await spend()
  const again = ask('unknown again')
  const late = ask('good')
  await turn()
  expect([again, late].map((each) => each.hasBegun())).toEqual([true, false])
  again.answer(undefined)
  await turn()
  late.answer('known')
  expect(await late.found).toBe('known')
})

test('up to its limit an address waits for nothing, and others do whatever it sends', async () => {
  const { spend, ask } = setUp()
  await spend(UNKNOWN_MAX - 1)
  const last = [ask('a'), ask('b')]
  await turn()
  expect(last.map((each) => each.hasBegun())).toEqual([true, true])
  for (const { answer } of last) answer(undefined)
  await Promise.all(last.map(({ found }) => found))
  const busy = ask('c')
  await turn()
  const others = [ask('d', '192.0.2.2'), ask('e', null)]
  await turn()
  expect([busy, ...others].map((each) => each.hasBegun())).toEqual([true, true, true])
  for (const { answer } of [busy, ...others]) answer(undefined)
})

test('an unknown credential is not looked up again for ten seconds, and a good one each time', async () => {
  const { lookups, wait } = setUp()
  let asked = 0
  const find = (hash: string, known?: string) =>
    lookups.find(hash, ADDRESS, async () => {
      asked++
      return known
    })
  for (let i = 0; i < 3; i++) expect(await find('unknown')).toBeUndefined()
  expect(asked).toBe(1)
  wait(10_001)
  await find('unknown', 'created since')
  await find('unknown', 'created since')
  expect(asked).toBe(3)
})

test('beyond its limit an address has one look-up under way and fifty waiting, and is refused more', async () => {
  const { spend, ask } = setUp()
  await spend()
  const all = Array.from({ length: 51 }, (_, i) => ask(`${i}`))
  await turn()
  expect(all.map((each) => each.hasBegun())).toEqual([true, ...Array(50).fill(false)])
  const beyond = ask('beyond')
  await expect(beyond.found).rejects.toMatchObject({ code: 'TOO_MANY_ATTEMPTS' })
  expect(beyond.hasBegun()).toBe(false)
  for (const { answer, found } of all) {
    answer(undefined)
    expect(await found).toBeUndefined()
  }
  const after = ask('after')
  await turn()
  expect(after.hasBegun()).toBe(true)
  after.answer(undefined)
  await after.found
})
