import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestHome, sendEvent, type TestHome, type TestSluice } from '../tests/lib/sluice.ts'

let home: TestHome
let sluice: TestSluice
let pool: pg.Pool
beforeAll(async () => {
  home = createTestHome()
  sluice = await home.start('--no-demo')
  pool = new pg.Pool({ connectionString: sluice.run.database_url, max: 1 })
  pool.on('error', () => {})
})
afterAll(async () => {
  await pool.end()
  await home.remove()
})

const withKey = (write_key: string) => ({ edge_url: sluice.run.edge_url, write_key })

describe('key', () => {
  test('a new key sends events for its tenant and is never shown again; revoked, it is refused', async () => {
    expect((await home.sluice('tenant', 'create', 'acme')).code).toBe(0)
    const made = await home.sluice('key', 'create', '--tenant', 'acme', '--name', 'web', '--json')
    const { key, tenant } = JSON.parse(made.out)
    expect(tenant).toBe('acme')
    expect((await sendEvent(withKey(key), { event: 'a' })).status).toBe(202)

    const list = await home.sluice('key', 'list', '--tenant', 'acme')
    expect(list.out).toContain('web')
    expect(list.out).not.toContain(key)

    expect((await home.sluice('key', 'revoke', key)).out).toContain('Revoked')
    await expect
      .poll(() => sendEvent(withKey(key), { event: 'a' }).then(({ status }) => status), {
        timeout: 60_000,
        interval: 500,
      })
      .toBe(401)
    expect((await home.sluice('key', 'list', '--tenant', 'acme')).out).toContain('revoked')
  })

  test('a rotated key works on beside the new one, and tells how often it is still used', async () => {
    const made = JSON.parse((await home.sluice('key', 'create', '--name', 'old', '--json')).out)
    expect((await sendEvent(withKey(made.key), { event: 'a' })).status).toBe(202)
    await expect
      .poll(async () => {
        const { rows } = await pool.query('SELECT events FROM key_use_hour WHERE key_id = $1', [
          made.key_id,
        ])
        return rows[0]?.events
      })
      .toBe('1')
    const said = await home.sluice('key', 'rotate', made.key, '--overlap', '2h', '--json')
    const { key, key_id, replaces } = JSON.parse(said.out)
    expect(replaces).toMatchObject({ key_id: made.key_id, events_last_hour: 1, events_last_day: 1 })
    const left = Date.parse(replaces.expires_at) - Date.now()
    expect(left).toBeGreaterThan(7_100_000)
    expect(left).toBeLessThanOrEqual(7_200_000)
    expect((await sendEvent(withKey(key), { event: 'a' })).status).toBe(202)
    expect((await sendEvent(withKey(made.key), { event: 'a' })).status).toBe(202)

    const list = await home.sluice('key', 'list')
    expect(list.out).toMatch(/old .* until 20.*, replaced by slc_sec_/)
    await expect
      .poll(async () => JSON.parse((await home.sluice('key', 'list', '--json')).out))
      .toContainEqual(
        expect.objectContaining({ keyId: made.key_id, replacedBy: key_id, eventsLastHour: 2 }),
      )
    // Again, for a person.
    const words = await home.sluice('key', 'rotate', key)
    expect(words.out).toMatch(/^slc_sec_\w{36}\n/)
    expect(words.out).toContain('In the last hour')
    const late = await home.sluice('key', 'rotate', key, '--until', '2020-01-01T00:00:00Z')
    expect([late.code, late.err]).toEqual([1, expect.stringContaining('That time is over.')])
  })

  test('without --limit it may send what the contract allows a key, with --limit that many', async () => {
    const keyOf = async (...args: string[]) =>
      JSON.parse((await home.sluice('key', 'create', '--json', ...args)).out).key as string
    const hundred = Array.from({ length: 101 }, () => ({ event: 'a' }))
    const plain = withKey(await keyOf())
    expect((await sendEvent(plain, hundred)).status).toBe(422)
    expect((await sendEvent(plain, hundred.slice(0, 100))).status).toBe(202)
    expect((await sendEvent(plain, { event: 'a' })).status).toBe(429)
    expect((await sendEvent(withKey(await keyOf('--limit', '500')), hundred)).status).toBe(202)
  })

  test('what cannot be is said in one line, with one line of what to do', async () => {
    const { code, out, err } = await home.sluice('key', 'create', '--tenant', 'nobody')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err.trim().split('\n')).toEqual([
      '✗ Tenant "nobody" does not exist.',
      expect.stringContaining('npx sluice tenant list'),
    ])
  })
})

describe('tenant', () => {
  test('what a tenant may do is changed from the shell', async () => {
    await home.sluice('tenant', 'create', 'shaped')
    const set = (...args: string[]) => home.sluice('tenant', 'set', 'shaped', ...args)
    const changed = await set('--limit', '50', '--schema-versions', '1,2', '--json')
    expect(JSON.parse(changed.out)).toMatchObject({
      eventsPerMinute: 50,
      schemaVersions: ['1', '2'],
    })
    expect((await set('--lateness', '30m', '--max-age', '2')).out).toContain(
      'shaped: 50 events a minute, not older than 2 days, late by 1800 s at most, schema versions 1, 2.',
    )
    const any = JSON.parse((await set('--any-schema-version', '--json')).out)
    expect(any).toMatchObject({ schemaVersions: null, allowedLatenessS: 1_800 })
    expect((await set()).err).toContain('Nothing was said to change.')
  })
})

describe('send', () => {
  test('one event from the shell is stored as it was meant', async () => {
    const said = await home.sluice('send', 'checkout', 'plan=team', 'value=12.5', 'user_id=ada')
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toMatch(/^1 accepted, 0 rejected, 0 duplicate in/)
    const { rows } = await pool.query(
      "SELECT actor, value, properties FROM event WHERE name = 'checkout'",
    )
    expect(rows).toEqual([{ actor: 'ada', value: 12.5, properties: { plan: 'team' } }])
  })

  test('a file is counted to the last event: accepted, rejected, duplicate, dead; again, all of it is duplicate', async () => {
    const good = Array.from({ length: 1_200 }, (_, i) => ({ event: 'filed', event_id: `f-${i}` }))
    const lines = [
      ...good,
      good[7],
      { event: 'filed', event_id: 'bad', timestamp: 'yesterday' },
      { event: 'filed', event_id: 'old', timestamp: 1_000_000_000 },
    ]
    const file = join(home.folder, 'events.ndjson')
    writeFileSync(file, lines.map((line) => JSON.stringify(line)).join('\n'))
    const first = await home.sluice('send', '--file', file, '--json')
    expect(first.code).toBe(1)
    expect(JSON.parse(first.out)).toMatchObject({
      accepted: 1_202,
      rejected: 1,
      duplicate: 1,
      dead: 1,
      errors: [{ index: 1_201, code: 'OCCURRED_AT_INVALID', pointer: '/timestamp' }],
    })
    const again = await home.sluice('send', '--file', file, '--json')
    expect(JSON.parse(again.out)).toMatchObject({ accepted: 1_202, duplicate: 1_201, dead: 1 })
  })

  test('old events go in with --historical', async () => {
    const file = join(home.folder, 'old.json')
    writeFileSync(file, '{"events":[{"event":"old","timestamp":"1906-04-18T13:12:21Z"}]}')
    const said = await home.sluice('send', '--file', file, '--historical', '--json')
    expect(JSON.parse(said.out)).toMatchObject({ accepted: 1, dead: 0 })
  })

  test('the key of what runs here goes to no edge elsewhere', async () => {
    const sent: unknown[] = []
    const elsewhere = createServer((request, response) => {
      sent.push(request.headers.authorization)
      response.end('{}')
    })
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`
    const said = await home.sluice('send', 'a', '--url', url)
    elsewhere.closeAllConnections()
    elsewhere.close()
    expect({ sent, code: said.code, out: said.out }).toEqual({ sent: [], code: 1, out: '' })
    expect(said.err).toContain('--key')
  })

  test('a file that is broken is refused with its line before anything is sent', async () => {
    const file = join(home.folder, 'broken.ndjson')
    writeFileSync(file, '{"event":"never"}\n{"event":')
    const said = await home.sluice('send', '--file', file)
    expect(said.code).toBe(1)
    expect(said.err).toContain('broken.ndjson, line 2 is not JSON')
    const { rows } = await pool.query("SELECT FROM event WHERE name = 'never'")
    expect(rows).toEqual([])
  })
})

test('demo traffic starts and stops while the system runs, goes to its own tenant, and is not all good', async () => {
  const count = async () => {
    const { rows } = await pool.query(
      `SELECT coalesce(sum(stored), 0)::int AS stored, coalesce(sum(duplicate), 0)::int AS duplicate,
              coalesce(sum(dead), 0)::int AS dead, count(DISTINCT tenant_id)::int AS tenants
         FROM outcome_minute JOIN tenant USING (tenant_id) WHERE slug = 'demo'`,
    )
    return rows[0]
  }
  expect(await count()).toMatchObject({ stored: 0 })
  await home.sluice('demo', 'start')
  const at = Date.now()
  await expect.poll(count, { timeout: 60_000, interval: 500 }).toMatchObject({
    duplicate: expect.toSatisfy((n) => n > 0),
    dead: expect.toSatisfy((n) => n > 0),
  })
  const { stored } = await count()
  const rate = stored / ((Date.now() - at) / 1000)
  expect(rate).toBeGreaterThan(10)
  expect(rate).toBeLessThan(30)
  const { rows } = await pool.query(
    `SELECT count(DISTINCT name)::int AS names, count(DISTINCT actor)::int AS actors,
            count(DISTINCT properties ->> 'time_zone')::int AS zones
       FROM event JOIN tenant USING (tenant_id) WHERE slug = 'demo'`,
  )
  expect(rows[0].names).toBeGreaterThan(3)
  expect(rows[0].actors).toBeGreaterThan(10)
  expect(rows[0].zones).toBeGreaterThan(3)

  await home.sluice('demo', 'stop')
  await expect
    .poll(
      async () => {
        const before = (await count()).stored
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        return (await count()).stored - before
      },
      { timeout: 15_000 },
    )
    .toBe(0)
})

test('doctor finds nothing wrong with what runs; migrate has nothing to do', async () => {
  const doctor = await home.sluice('doctor', '--json')
  expect(doctor.code).toBe(0)
  const findings = JSON.parse(doctor.out) as { what: string; ok: boolean }[]
  expect(findings.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['Node', 'Postgres', 'workerd', 'data folder', 'edge', 'core']),
  )
  expect(findings.filter(({ ok }) => !ok)).toEqual([])
  expect((await home.sluice('migrate')).out).toContain('Nothing to do')
})

test('reset refuses while the system runs and without a yes; then it deletes what is ours and nothing else', async () => {
  expect(await home.sluice('reset', '--yes')).toMatchObject({
    code: 1,
    err: expect.stringContaining('npx sluice stop'),
  })
  expect((await home.sluice('stop')).code).toBe(0)
  expect(await sluice.ended).toBe(0)
  expect(await home.sluice('reset')).toMatchObject({
    code: 1,
    err: expect.stringContaining('--yes'),
  })
  expect(existsSync(join(home.folder, 'secrets.json'))).toBe(true)

  writeFileSync(join(home.folder, 'notes.txt'), 'mine')
  expect((await home.sluice('reset', '--yes')).code).toBe(0)
  expect(existsSync(join(home.folder, 'secrets.json'))).toBe(false)
  expect(existsSync(join(home.folder, 'postgres'))).toBe(false)
  expect(existsSync(join(home.folder, 'notes.txt'))).toBe(true)
  const again = await home.start('--no-demo')
  expect(again.run.write_key).not.toBe(sluice.run.write_key)
})

test('where nothing runs, commands say so with exit code 3 and what to do', async () => {
  const nowhere = createTestHome()
  for (const args of [
    ['status'],
    ['status', '--json'],
    ['stop'],
    ['send', 'a'],
    ['key', 'list'],
    ['demo', 'stop'],
  ]) {
    const said = await nowhere.sluice(...args)
    expect({ args, code: said.code, out: said.out }).toEqual({ args, code: 3, out: '' })
    expect(said.err).toContain('npm start')
  }
  await nowhere.remove()
})
