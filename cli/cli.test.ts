import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT } from '../core/lib/paths.ts'
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

describe('sluice key', () => {
  test('a new key sends events for its tenant and is not shown again; once revoked it is refused', async () => {
    expect((await home.sluice('tenant', 'create', 'acme')).code).toBe(0)
    const created = await home.sluice(
      'key',
      'create',
      '--tenant',
      'acme',
      '--name',
      'web',
      '--json',
    )
    const { key, tenant } = JSON.parse(created.out)
    expect(tenant).toBe('acme')
    expect((await sendEvent(withKey(key), { event: 'a' })).status).toBe(202)

    const list = await home.sluice('key', 'list', '--tenant', 'acme')
    expect(list.out).toContain('web')
    expect(list.out).not.toContain(key)

    expect((await home.sluice('key', 'revoke', key.slice(0, 12))).out).toContain('Revoked')
    await expect
      .poll(() => sendEvent(withKey(key), { event: 'a' }).then(({ status }) => status), {
        timeout: 60_000,
        interval: 500,
      })
      .toBe(401)
    expect((await home.sluice('key', 'list', '--tenant', 'acme')).out).toContain('revoked')
  })

  test('a rotated key keeps working next to the new one, and the list shows how often it is used', async () => {
    const old = JSON.parse((await home.sluice('key', 'create', '--name', 'old', '--json')).out)
    expect((await sendEvent(withKey(old.key), { event: 'a' })).status).toBe(202)
    await expect
      .poll(async () => {
        const { rows } = await pool.query('SELECT events FROM key_use_hour WHERE key_id = $1', [
          old.key_id,
        ])
        return rows[0]?.events
      })
      .toBe('1')
    const rotated = await home.sluice('key', 'rotate', old.key_id, '--overlap', '2h', '--json')
    const { key, key_id, replaces } = JSON.parse(rotated.out)
    expect(replaces).toMatchObject({ key_id: old.key_id, events_last_hour: 1, events_last_day: 1 })
    const left = Date.parse(replaces.expires_at) - Date.now()
    expect(left).toBeGreaterThan(7_100_000)
    expect(left).toBeLessThanOrEqual(7_200_000)
    expect((await sendEvent(withKey(key), { event: 'a' })).status).toBe(202)
    expect((await sendEvent(withKey(old.key), { event: 'a' })).status).toBe(202)

    const list = await home.sluice('key', 'list')
    expect(list.out).toMatch(/old .* until 20.*, replaced by slc_sec_/)
    await expect
      .poll(async () => JSON.parse((await home.sluice('key', 'list', '--json')).out))
      .toContainEqual(
        expect.objectContaining({ keyId: old.key_id, replacedBy: key_id, eventsLastHour: 2 }),
      )
    // Again, with output for a person.
    const text = await home.sluice('key', 'rotate', key.slice(0, 12))
    expect(text.out).toMatch(/^slc_sec_\w{36}\n/)
    expect(text.out).toContain('events in the last hour')
    const late = await home.sluice('key', 'rotate', key_id, '--until', '2020-01-01T00:00:00Z')
    expect([late.code, late.err]).toEqual([1, expect.stringContaining('That time has passed.')])
  })

  test('a key without --limit has the default limit, and one with --limit has that limit', async () => {
    const keyOf = async (...args: string[]) =>
      JSON.parse((await home.sluice('key', 'create', '--json', ...args)).out).key as string
    const hundred = Array.from({ length: 101 }, () => ({ event: 'a' }))
    const plain = withKey(await keyOf())
    expect((await sendEvent(plain, hundred)).status).toBe(422)
    expect((await sendEvent(plain, hundred.slice(0, 100))).status).toBe(202)
    expect((await sendEvent(plain, { event: 'a' })).status).toBe(429)
    expect((await sendEvent(withKey(await keyOf('--limit', '500')), hundred)).status).toBe(202)
  })

  test('a new key is shown with its limits, and key set changes them at the edge', async () => {
    const created = await home.sluice(
      ...['key', 'create', '--tenant', 'acme', '--limit', '3', '--name', 'narrow'],
    )
    const [key = '', , ...limits] = created.out.split('\n')
    expect(limits.join('\n')).toContain(
      'Limits: 3 events per minute with this key, 300 (default) with all keys of the tenant acme.',
    )
    expect(limits.join('\n')).toContain(`key set ${key.slice(0, 12)} --limit 10000`)
    const events = Array.from({ length: 10 }, () => ({ event: 'a' }))
    expect((await sendEvent(withKey(key), events)).status).toBe(422)
    const set = (...args: string[]) => home.sluice('key', 'set', 'narrow', ...args)
    expect((await set('--events-per-minute', '200', '--name', 'wide')).out).toContain(
      'Limits: 200 events per minute with this key',
    )
    await expect
      .poll(() => sendEvent(withKey(key), events).then(({ status }) => status), {
        timeout: 60_000,
        interval: 500,
      })
      .toBe(202)
    const reset = await home.sluice('key', 'set', 'wide', '--limit', 'default', '--json')
    expect(reset.err).toBe('')
    expect(JSON.parse(reset.out)).toMatchObject({ name: 'wide', eventsPerMinute: null })
    expect((await home.sluice('key', 'list')).out).toMatch(/wide .*100 \(default\)/)
    expect((await home.sluice('key', 'set', 'wide')).err).toContain('No change was given.')
  })

  test('a whole key as an argument is refused without being repeated', async () => {
    const { key } = JSON.parse((await home.sluice('key', 'create', '--json')).out)
    for (const args of [['revoke'], ['rotate'], ['set', '--limit', '1']]) {
      const [command = '', ...rest] = args
      const { code, out, err } = await home.sluice('key', command, key, ...rest)
      expect({ command, code, out }).toEqual({ command, code: 1, out: '' })
      expect(err).toContain(`Use ${key.slice(0, 12)}.`)
      expect(err).not.toContain(key)
    }
    expect((await sendEvent(withKey(key), { event: 'a' })).status).toBe(202)
  })

  test('every change of a key or a tenant is recorded in the log of the instance, without the key', async () => {
    await home.sluice('tenant', 'create', 'recorded')
    await home.sluice('tenant', 'set', 'recorded', '--limit', '50')
    const create = await home.sluice('key', 'create', '--tenant', 'recorded', '--json')
    const { key, key_id } = JSON.parse(create.out)
    await home.sluice('key', 'set', key_id, '--limit', '5')
    const rotated = await home.sluice('key', 'rotate', key_id, '--json')
    await home.sluice('key', 'revoke', key_id)
    const log = readFileSync(sluice.run.log_file, 'utf8')
    const recorded = log
      .split('\n')
      .flatMap((line) => (line.includes('"security"') ? [JSON.parse(line).security] : []))
      .filter(({ actor, tenant }) => actor === 'cli' && tenant === 'recorded')
    expect(recorded.map(({ name }) => name)).toEqual([
      'tenant-created',
      'tenant-changed',
      'api-key-created',
      'api-key-changed',
      'api-key-rotated',
      'api-key-revoked',
    ])
    expect(recorded[3]).toEqual({
      name: 'api-key-changed',
      outcome: 'allowed',
      actor: 'cli',
      tenant: 'recorded',
      detail: `key_id ${key_id}: eventsPerMinute`,
    })
    for (const secret of [key, JSON.parse(rotated.out).key]) expect(log).not.toContain(secret)
  })

  test('an error is one line of what failed and one line of what to do', async () => {
    const { code, out, err } = await home.sluice('key', 'create', '--tenant', 'nobody')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err.trim().split('\n')).toEqual([
      '✗ Tenant "nobody" does not exist.',
      expect.stringContaining('npm run sluice -- tenant list'),
    ])
  })
})

test('an invalid setting is one line of what failed and one line of what to do', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['cli/main.ts', 'status'], {
    cwd: ROOT,
    env: { ...process.env, KAFKA_TLS: 'true' },
    encoding: 'utf8',
  })
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr.trim().split('\n')).toEqual([
    '✗ KAFKA_TLS is now SLUICE_KAFKA_TLS.',
    '  Rename it; CHANGELOG.md lists all former names.',
  ])
})

describe('sluice tenant', () => {
  test('tenant list --search lists the tenants whose name contains the text, in any case', async () => {
    for (const name of ['north-shop', 'shop', 'bank']) await home.sluice('tenant', 'create', name)
    const { out } = await home.sluice('tenant', 'list', '--search', 'SHOP', '--json')
    expect(JSON.parse(out).map(({ tenant }: { tenant: string }) => tenant)).toEqual([
      'north-shop',
      'shop',
    ])
    expect((await home.sluice('tenant', 'list', '--search', '%', '--json')).out.trim()).toBe('[]')
  })

  test('tenant set changes the limits of a tenant', async () => {
    await home.sluice('tenant', 'create', 'shaped')
    const set = (...args: string[]) => home.sluice('tenant', 'set', 'shaped', ...args)
    const changed = await set('--limit', '50', '--schema-versions', '1,2', '--json')
    expect(JSON.parse(changed.out)).toMatchObject({
      eventsPerMinute: 50,
      schemaVersions: ['1', '2'],
    })
    expect((await set('--lateness', '30m', '--max-age', '2')).out).toContain(
      'shaped: 50 events per minute, at most 2 days old, at most 1,800 s late, schema versions 1, 2.',
    )
    const any = JSON.parse((await set('--any-schema-version', '--json')).out)
    expect(any).toMatchObject({ schemaVersions: null, allowedLatenessS: 1_800 })
    expect((await set('--enrich', 'utm,geo')).out).toContain('enriched with geo, utm.')
    expect(JSON.parse((await set('--enrich', 'none', '--json')).out).enrichments).toEqual([])
    expect((await set('--enrich', 'ip')).err).toContain('"ip" is not an enrichment')
    expect((await set()).err).toContain('No change was given.')
  })
})

describe('sluice send', () => {
  test('one event from the shell is stored with its typed properties', async () => {
    const result = await home.sluice('send', 'checkout', 'plan=team', 'value=12.5', 'user_id=ada')
    expect(result).toMatchObject({ code: 0, err: '' })
    expect(result.out).toMatch(/^1 accepted, 0 rejected, 0 duplicate in/)
    const { rows } = await pool.query(
      "SELECT actor, value, properties FROM event WHERE name = 'checkout'",
    )
    expect(rows).toEqual([{ actor: 'ada', value: 12.5, properties: { plan: 'team' } }])
  })

  test('every event of a file is counted as accepted, rejected, duplicate or dead; sent again, all are duplicates', async () => {
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

  test('old events are accepted with --historical', async () => {
    const file = join(home.folder, 'old.json')
    writeFileSync(file, '{"events":[{"event":"old","timestamp":"1906-04-18T13:12:21Z"}]}')
    const result = await home.sluice('send', '--file', file, '--historical', '--json')
    expect(JSON.parse(result.out)).toMatchObject({ accepted: 1, dead: 0 })
  })

  test('the key of the running instance is sent to no other edge', async () => {
    const sent: unknown[] = []
    const elsewhere = createServer((request, response) => {
      sent.push(request.headers.authorization)
      response.end('{}')
    })
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`
    const result = await home.sluice('send', 'a', '--url', url)
    elsewhere.closeAllConnections()
    elsewhere.close()
    expect({ sent, code: result.code, out: result.out }).toEqual({ sent: [], code: 1, out: '' })
    expect(result.err).toContain('SLUICE_KEY')
  })

  test('a key for another edge comes from a file, and one as an argument is sent with a warning', async () => {
    const { key } = JSON.parse((await home.sluice('key', 'create', '--json')).out)
    const file = join(home.folder, 'key.txt')
    writeFileSync(file, `${key}\n`)
    const send = (...args: string[]) =>
      home.sluice('send', 'elsewhere', '--url', sluice.run.edge_url, ...args)
    expect(await send('--key-file', file)).toMatchObject({ code: 0, err: '' })
    const warned = await send('--key', key)
    expect(warned).toMatchObject({ code: 0, err: expect.stringContaining('SLUICE_KEY') })
    expect(warned.err).not.toContain(key)
    writeFileSync(file, 'not a key')
    expect((await send('--key-file', file)).err).toContain('does not hold a valid API key')
  })

  test('an invalid file is refused with its line number before anything is sent', async () => {
    const file = join(home.folder, 'broken.ndjson')
    writeFileSync(file, '{"event":"never"}\n{"event":')
    const result = await home.sluice('send', '--file', file)
    expect(result.code).toBe(1)
    expect(result.err).toContain('broken.ndjson, line 2 is not JSON')
    const { rows } = await pool.query("SELECT FROM event WHERE name = 'never'")
    expect(rows).toEqual([])
  })
})

test('sluice query shows counts with the zone of the times, and as CSV without formulas', async () => {
  const names = ['=1+1', 'b']
  await sendEvent(
    sluice.run,
    names.map((kind) => ({ event: 'queried', kind })),
  )
  const query = (...args: string[]) =>
    home.sluice('query', 'queried', '--last', '1h', '--interval', 'total', ...args)
  await expect
    .poll(async () => JSON.parse((await query('--json')).out).points[0]?.value, { timeout: 20_000 })
    .toBe(2)
  const table = await query('--time-zone', 'Asia/Kathmandu', '--group-by', 'kind')
  expect(table).toMatchObject({ code: 0, err: '' })
  expect(table.out).toMatch(/\+05:45 +=1\+1 +1 +open/)
  expect(table.out).toContain('source raw')
  expect((await query('--group-by', 'kind', '--csv')).out).toContain(",'=1+1,1,false,0")
  expect((await query('--time-zone', 'EST')).err).toContain('America/New_York')
})

test('demo traffic starts and stops while Sluice runs, goes to its own tenant, and contains duplicates and dead letters', async () => {
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

test('demo seed sends a month that adds up, marks only late events, and sends nothing twice when it is repeated', async () => {
  const seed = async (...args: string[]) =>
    await home.sluice('demo', 'seed', '--tenant', 'seeded', '--events', '3000', ...args)
  const first = JSON.parse((await seed('--json')).out)
  expect(first).toMatchObject({ isComplete: true, isRepeated: false, duplicates: 36, dead: 6 })
  expect(first.stored).toBe(3_000 - 36)
  expect(first.sent).toBe(3_006)
  expect(Object.keys(first.deadByReason).length).toBeGreaterThanOrEqual(5)

  const { rows } = await pool.query(
    `SELECT sum(r.count)::int AS events, sum(r.late_count)::int AS late,
            count(*) FILTER (WHERE r.revised_at IS NOT NULL AND r.late_count = 0)::int AS revised,
            max(t.allowed_lateness_s) AS lateness
       FROM rollup_15m r JOIN tenant t USING (tenant_id) WHERE t.slug = 'seeded'`,
  )
  expect(rows[0]).toMatchObject({ events: 2_964, revised: 0, lateness: 3_600 })
  expect(rows[0].late).toBeGreaterThan(0)

  const again = await seed()
  expect(again.out).toContain('= 0 stored + 3,000 duplicates + 6 dead letters')
  expect(again.out).toContain('sent before')
  const keys = (await home.sluice('key', 'list', '--tenant', 'seeded')).out
  expect(keys.match(/demo data/g)).toHaveLength(2)
  expect(keys.match(/revoked/g)).toHaveLength(2)

  // Duplicates are recognised for 48 hours: later the same events would count twice.
  await pool.query(
    `UPDATE api_key SET created_at = created_at - interval '48 hours' WHERE name LIKE 'demo data%'`,
  )
  const late = await seed()
  expect([late.code, late.out]).toEqual([1, ''])
  expect(late.err).toContain('Nothing was sent')
  expect((await seed('--seed', '2', '--json')).out).toContain('"isRepeated": false')
})

test('doctor finds no problem in a running instance, and migrate has nothing to apply', async () => {
  const doctor = await home.sluice('doctor', '--json')
  expect(doctor.code).toBe(0)
  const findings = JSON.parse(doctor.out) as { what: string; ok: boolean }[]
  expect(findings.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['Node', 'Postgres', 'workerd', 'data folder', 'edge', 'core']),
  )
  expect(findings.filter(({ ok }) => !ok)).toEqual([])
  expect((await home.sluice('migrate')).out).toContain('up to date')
})

test('reset refuses while Sluice runs and without --yes; then it deletes what a start created and nothing else', async () => {
  expect(await home.sluice('reset', '--yes')).toMatchObject({
    code: 1,
    err: expect.stringContaining('npm run sluice -- stop'),
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

test('without a running instance, commands exit with code 3 and name the command that starts one', async () => {
  const nowhere = createTestHome()
  for (const args of [
    ['status'],
    ['status', '--json'],
    ['stop'],
    ['send', 'a'],
    ['key', 'list'],
    ['demo', 'stop'],
  ]) {
    const result = await nowhere.sluice(...args)
    expect({ args, code: result.code, out: result.out }).toEqual({ args, code: 3, out: '' })
    expect(result.err).toContain('npm start')
  }
  await nowhere.remove()
})
