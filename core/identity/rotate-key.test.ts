import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { createKey, listKeys, type NewKey, revokeKey } from './api-keys.ts'
import { findKeyRecord, isUsable } from './key-directory.ts'
import { rotateKey } from './rotate-key.ts'
import { setKey } from './set-key.ts'
import { createTenant } from './tenants.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
  await createTenant(db, { tenant: 'default' })
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

const DAY_MS = 86_400_000
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS)
const make = (more: Partial<NewKey> = {}) =>
  createKey(db, { tenant: 'default', name: 'shop', scopes: ['ingest'], ...more })
const recordOf = async (key: string) => {
  const record = await findKeyRecord(db, createHash('sha256').update(key).digest('hex'))
  if (!record) throw new Error('no such key')
  return record
}
const listed = async (keyId: string) => (await listKeys(db)).find((key) => key.keyId === keyId)

describe('rotating a key', () => {
  test('creates a key with the properties of the old one, which works until its time', async () => {
    await createTenant(db, { tenant: 'acme' })
    const old = await make({
      tenant: 'acme',
      name: 'page',
      kind: 'pub',
      origins: ['https://shop.example', 'https://*.shop.example'],
      eventsPerMinute: 7,
      mayImportHistory: true,
    })
    const until = inDays(1)
    const rotated = await rotateKey(db, old.key, { until })
    expect(rotated.key).toMatch(/^slc_pub_/)
    expect(rotated.key).not.toBe(old.key)

    const { key_id: oldId, expires_at, ...before } = await recordOf(old.key)
    const { key_id: newId, expires_at: newExpiry, ...after } = await recordOf(rotated.key)
    expect(after).toEqual(before)
    expect([newId, newExpiry]).toEqual([rotated.keyId, null])
    expect(newId).not.toBe(oldId)
    expect(Date.parse(expires_at ?? '')).toBe(until.getTime())
    expect(rotated.old).toMatchObject({ keyId: oldId, replacedBy: newId, expiresAt: expires_at })
    expect((await listed(newId))?.name).toBe('page')

    const record = await recordOf(old.key)
    expect(isUsable(record, until.getTime() - 1)).toBe(true)
    expect(isUsable(record, until.getTime())).toBe(false)
  })

  test('does not prolong the old key, and gives its expiry to the new one by default', async () => {
    const soon = inDays(1)
    const expiring = () => make({ expiresAt: soon })
    const one = await rotateKey(db, (await expiring()).key, { until: inDays(7) })
    expect(Date.parse(one.old.expiresAt ?? '')).toBe(soon.getTime())
    expect(Date.parse(one.expiresAt ?? '')).toBe(soon.getTime())

    const later = inDays(90)
    const two = await rotateKey(db, (await expiring()).key, { until: inDays(0), expiresAt: later })
    expect(Date.parse(two.old.expiresAt ?? '')).toBeLessThan(soon.getTime())
    expect(Date.parse((await recordOf(two.key)).expires_at ?? '')).toBe(later.getTime())

    const three = await rotateKey(db, (await expiring()).key, { until: soon, expiresAt: null })
    expect((await recordOf(three.key)).expires_at).toBeNull()
  })

  test('succeeds once of several concurrent attempts', async () => {
    const { keyId } = await make()
    const until = inDays(1)
    const results = await Promise.allSettled(
      Array.from({ length: 6 }, () => rotateKey(db, keyId, { until })),
    )
    const refused = results.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(5)
    expect(String((refused[0] as PromiseRejectedResult).reason)).toContain('replaced by slc_sec_')
  })

  test('can be repeated when the new key was lost and revoked, and continued with the new key', async () => {
    const { keyId } = await make()
    const first = await rotateKey(db, keyId, { until: inDays(1) })
    await revokeKey(db, first.keyId)
    const second = await rotateKey(db, keyId, { until: inDays(2) })
    expect(second.old.replacedBy).toBe(second.keyId)
    // A second rotation prolongs nothing.
    expect(second.old.expiresAt).toBe(first.old.expiresAt)
    const third = await rotateKey(db, second.key, { until: inDays(1) })
    expect(third.old.keyId).toBe(second.keyId)
  })

  test('gives the new key the expiry of the lost one when it is repeated', async () => {
    const { key } = await make()
    const until = inDays(1)
    const again = async (wanted: Date | null | undefined) => {
      const { keyId } = await rotateKey(db, key, { until, expiresAt: wanted })
      await revokeKey(db, keyId)
      return (await listed(keyId))?.expiresAt ?? null
    }
    expect(await again(undefined)).toBeNull()
    expect(await again(undefined)).toBeNull()
    const later = inDays(90)
    expect(Date.parse((await again(later)) ?? '')).toBe(later.getTime())
    expect(Date.parse((await again(undefined)) ?? '')).toBe(later.getTime())
    expect(await again(null)).toBeNull()

    // The lost one was itself rotated, so that it was about to end as well.
    const first = await rotateKey(db, key, { until })
    const second = await rotateKey(db, first.key, { until })
    await revokeKey(db, first.keyId)
    await expect(rotateKey(db, key, { until })).rejects.toThrow(
      `replaced by ${second.displayPrefix}`,
    )
    await revokeKey(db, second.keyId)
    expect((await rotateKey(db, key, { until })).expiresAt).toBeNull()
  })

  test('fails when the inherited expiry has passed', async () => {
    const { key } = await make()
    const until = inDays(1)
    const lost = await rotateKey(db, key, { until, expiresAt: inDays(-1) })
    await revokeKey(db, lost.keyId)
    await expect(rotateKey(db, key, { until })).rejects.toThrow('give the expiry of the new one')
    expect((await rotateKey(db, key, { until, expiresAt: null })).expiresAt).toBeNull()
  })

  test('fails for revoked, expired and unknown keys', async () => {
    const until = inDays(1)
    const revoked = await make()
    await revokeKey(db, revoked.keyId)
    await expect(rotateKey(db, revoked.keyId, { until })).rejects.toThrow('was revoked')
    const expired = await make({ expiresAt: inDays(-1) })
    await expect(rotateKey(db, expired.keyId, { until })).rejects.toThrow('has expired')
    await expect(rotateKey(db, 'slc_sec_none', { until })).rejects.toThrow('does not exist')
    expect(await listed(expired.keyId)).toMatchObject({ replacedBy: null })
  })
})

test('the list of keys shows the events received lately with each, and never too few', async () => {
  const { keyId } = await make()
  expect(await listed(keyId)).toMatchObject({ eventsLastHour: 0, eventsLastDay: 0 })
  const used = (hoursAgo: number, events: number) =>
    database.pool.query(
      "INSERT INTO key_use_hour VALUES ($1, date_trunc('hour', now()) - $2 * interval '1 h', $3)",
      [keyId, hoursAgo, events],
    )
  await used(0, 1)
  // Some of these may have come within the last hour by the minute.
  await used(1, 20)
  await used(2, 300)
  await used(24, 4_000)
  await used(25, 50_000)
  expect(await listed(keyId)).toMatchObject({ eventsLastHour: 21, eventsLastDay: 4_321 })
})

const numbered = (count: number, chars: number, letter: string) =>
  Array.from({ length: count }, (_, i) => String(i).padStart(3, '0') + letter.repeat(chars - 3))
const entriesOf = async (keyId: string) =>
  (
    await database.pool.query(
      'SELECT action, before, after FROM audit_log WHERE object = $1 ORDER BY sequence',
      [`key ${keyId}`],
    )
  ).rows

test('a key with lists of the greatest size can be changed and rotated, and the audit log has their hashes', async () => {
  const allowedEvents = numbered(100, 255, '漢')
  const allowedProperties = numbered(100, 256, '漢')
  const origins = numbered(100, 60, 'a').map((name) => `https://x${name}.${'b'.repeat(60)}.example`)
  const { keyId } = await make({ kind: 'pub', allowedEvents, allowedProperties, origins })
  await setKey(db, keyId, { allowedEvents: allowedEvents.toReversed() })
  const { keyId: newId } = await rotateKey(db, keyId, { until: inDays(1) })
  const summary = (list: string[]) => ({
    count: 100,
    sha256: createHash('sha256').update(JSON.stringify(list)).digest('hex'),
  })
  const [, changed] = await entriesOf(keyId)
  expect(changed).toEqual({
    action: 'key.changed',
    before: { allowedEvents: summary(allowedEvents) },
    after: { allowedEvents: summary(allowedEvents.toReversed()) },
  })
  expect(await entriesOf(newId)).toMatchObject([
    {
      action: 'key.created',
      after: {
        origins: summary(origins),
        allowedEvents: summary(allowedEvents.toReversed()),
        allowedProperties: summary(allowedProperties),
      },
    },
  ])
})

test('the audit log has a list of up to 4,096 bytes whole', async () => {
  const whole = [...numbered(15, 253, 'a'), 'b'.repeat(252)]
  const longer = [...numbered(15, 253, 'a'), 'b'.repeat(253)]
  const { keyId } = await make({ kind: 'pub', allowedEvents: whole, allowedProperties: longer })
  const [created] = await entriesOf(keyId)
  expect(created.after.allowedEvents).toEqual(whole)
  expect(created.after.allowedProperties).toMatchObject({ count: 16 })
})
