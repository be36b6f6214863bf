import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Config, readConfig } from '../core/config.ts'
import { createDatabase, type Database } from '../core/db/database.ts'
import { createKey } from '../core/identity/api-keys.ts'
import { canonicalJson } from '../core/identity/audit/hash-entry.ts'
import { createTenant } from '../core/identity/tenants.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { createTestDatabase, type TestDatabase } from '../tests/lib/database.ts'
import { createAuditCommand } from './audit/audit-command.ts'
import { createDoctorCommand } from './commands/doctor.ts'
import { createKeyCommand } from './commands/key.ts'
import { createLagCommand } from './commands/lag.ts'
import { createOffsetsCommand } from './commands/offsets.ts'
import { createDeadLettersCommand } from './dead-letters/dead-letters-command.ts'
import { createTerminal, type Terminal } from './terminal.ts'

/** What commands print for people and for scripts, from what is in Postgres. */
let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 1 })
  await createTenant(db, { tenant: 'default' })
  await (await createPostgresLog({ url: database.url })).close()
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})
afterEach(() => {
  process.exitCode = undefined
})

type CreateCommand = (config: Config, terminal: Terminal) => Command

async function run(create: CreateCommand, args: readonly string[], env = {}) {
  const out: string[] = []
  const errors: string[] = []
  const json: unknown[] = []
  /** Of each table, its rows as objects. */
  const rows: Record<string, string | undefined>[] = []
  const terminal: Terminal = {
    ...createTerminal(false),
    print: (line = '') => void out.push(line),
    printText: (text) => void out.push(text),
    printJson: (value) => void json.push(JSON.parse(JSON.stringify(value))),
    printError: (message, hint) => void errors.push(message, hint ?? ''),
    printTable: (header, cells) =>
      void rows.push(
        ...cells.map((row) => Object.fromEntries(header.map((name, i) => [name, row[i]]))),
      ),
  }
  const command = create(readConfig({ DATABASE_URL: database.url, ...env }), terminal)
  for (const each of [command, ...command.commands]) each.exitOverride()
  await command.parseAsync([...args], { from: 'user' })
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
  return { out: out.join('\n'), errors: errors.join('\n'), json: json as any[], rows }
}

describe('sluice key', () => {
  const newKey = async (name: string) => {
    const created = await createKey(db, { tenant: 'default', name, scopes: ['ingest'] })
    await database.pool.query(
      `INSERT INTO key_use_hour (key_id, hour, events)
       VALUES ($1, date_trunc('hour', now()), 7), ($1, date_trunc('hour', now()) - interval '5 hours', 100)`,
      [created.keyId],
    )
    return created
  }

  test('list shows what came in the last hour and in the last day, each under its heading', async () => {
    await newKey('busy')
    const { rows } = await run(createKeyCommand, ['list'])
    expect(rows.find(({ Name }) => Name === 'busy')).toMatchObject({
      'Last hour': '7',
      'Last day': '107',
      State: 'active',
    })
  })

  test('rotate --json tells when the new key expires apart from when the old one does', async () => {
    const { keyId } = await newKey('rotated')
    const [printed] = (await run(createKeyCommand, ['rotate', keyId, '--overlap', '2h', '--json']))
      .json
    expect(printed).toMatchObject({
      tenant: 'default',
      expires_at: null,
      replaces: { key_id: keyId, events_last_hour: 7, events_last_day: 107 },
    })
    const leftMs = Date.parse(printed.replaces.expires_at) - Date.now()
    expect(Math.round(leftMs / 60_000)).toBe(120)
    expect(printed.key_id).not.toBe(keyId)
  })

  test('create and set limit a public key to events and properties, and any takes the limit away', async () => {
    const args = [
      'create',
      '--kind',
      'pub',
      '--name',
      'limited',
      '--allow-event',
      'a',
      'b',
      '--json',
    ]
    const [{ key_id: id }] = (await run(createKeyCommand, args)).json
    const find = async () =>
      (await run(createKeyCommand, ['list', '--json'])).json[0].find(
        ({ keyId }: { keyId: string }) => keyId === id,
      )
    expect(await find()).toMatchObject({ allowedEvents: ['a', 'b'], allowedProperties: null })
    await run(createKeyCommand, ['set', id, '--allow-event', 'any', '--allow-property', 'x'])
    expect(await find()).toMatchObject({ allowedEvents: null, allowedProperties: ['x'] })
    const secret = ['create', '--name', 'secret', '--allow-event', 'a']
    await expect(run(createKeyCommand, secret)).rejects.toThrow('only be set for a public key')
  })
})

test('sluice dead-letters counts the bytes of what was received, however much of it is shown', async () => {
  const original = 'ü'.repeat(40_000)
  await database.pool.query(
    `INSERT INTO dead_letter (reason, detail, fingerprint, original, topic, partition, log_offset, received_at)
     VALUES ('NOT_JSON', 'is not JSON', '', convert_to($1, 'UTF8'), 'events.raw', 2, 41, now())`,
    [original],
  )
  const [[listed]] = (await run(createDeadLettersCommand, ['list', '--json'])).json
  expect(listed).toMatchObject({ tenant: null, partition: 2, offset: '41', original_bytes: 80_000 })
  expect(listed.original).toHaveLength(32_768)
  const shown = await run(createDeadLettersCommand, ['show', listed.id])
  expect(shown.rows).toContainEqual({ Field: 'original_bytes', Value: '80000' })
  expect(shown.out).toContain('üüü')
})

test('sluice lag and sluice offsets name a single missing range, and --partition selects it', async () => {
  await database.pool.query(
    `INSERT INTO offset_gap (topic, partition, expected, available) VALUES ('events.raw', 4, 10, 15)`,
  )
  onTestFinished(async () => void (await database.pool.query('DELETE FROM offset_gap')))
  const { errors, json } = await run(createLagCommand, [])
  expect([errors, json]).toEqual([
    expect.stringMatching(/^Records are missing from the log in partition 4\.\n.*offsets list/),
    [],
  ])
  const gapsOf = async (...args: string[]) =>
    (await run(createOffsetsCommand, ['list', '--json', ...args])).json[0].gaps
  expect(await gapsOf()).toMatchObject([{ partition: 4, expected: 10, available: 15 }])
  expect(await gapsOf('--partition', '4')).toHaveLength(1)
  expect(await gapsOf('--partition', '3')).toEqual([])
  const { out } = await run(createOffsetsCommand, ['list', '--partition', '4'])
  expect(out).toContain('Partition 4: 5 records from offset 10 on were deleted')
})

test('sluice doctor exits with 1 where something is wrong, and shows how to repair that and nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-doctor-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const healthy = await run(createDoctorCommand, [], { SLUICE_HOME: folder })
  expect([process.exitCode, healthy.out.includes('✗')]).toEqual([undefined, false])
  // A file where the data are to be.
  writeFileSync(join(folder, 'file'), '')
  const { out } = await run(createDoctorCommand, [], { SLUICE_HOME: join(folder, 'file') })
  expect(process.exitCode).toBe(1)
  expect(out.match(/^✗ .*|^ {15}.*/gm)).toEqual([
    expect.stringMatching(/^✗ data folder {2}/),
    expect.stringContaining('set SLUICE_HOME'),
  ])
})

/** The commands of a guide in their order, as a stranger would paste them. */
function commandsOf(guide: string): string[][] {
  const text = readFileSync(new URL(`../docs/${guide}`, import.meta.url), 'utf8')
  return [...text.matchAll(/^npm run sluice -- (.+)$/gm)].map(([, line]) =>
    (line as string).split(' '),
  )
}

test('every command of docs/keys.md works, one after the other', async () => {
  const commands = commandsOf('keys.md')
  expect(commands.length).toBeGreaterThan(7)
  for (const [group, ...args] of commands) {
    expect(group).toBe('key')
    await run(createKeyCommand, args)
    expect([args, process.exitCode]).toEqual([args, undefined])
  }
})

describe('sluice audit', () => {
  const heads = async () =>
    (await run(createAuditCommand, ['verify', '--json'])).json[0] as {
      tenant: string
      ok: boolean
      head: string | null
    }[]

  test('list shows changes newest first, and as JSON what the hashes cover', async () => {
    const { keyId } = await createKey(db, { tenant: 'default', name: 'audited', scopes: ['read'] })
    await run(createKeyCommand, ['set', keyId, '--limit', '7'])
    const { rows } = await run(createAuditCommand, ['list', '--action', 'key.', '--limit', '2'])
    expect(rows.map(({ Action, Actor, Object: object }) => [Action, Actor, object])).toEqual([
      ['key.changed', 'cli', `key ${keyId}`],
      ['key.created', 'system', `key ${keyId}`],
    ])
    expect(rows[0]).toMatchObject({ From: '{"eventsPerMinute":null}', To: '{"eventsPerMinute":7}' })
    const { out } = await run(createAuditCommand, ['list', '--limit', '1', '--json'])
    const { hash, ...entry } = JSON.parse(out)
    expect(createHash('sha256').update(canonicalJson(entry)).digest('hex')).toBe(hash)
  })

  test('every command of docs/audit.md works, but for the head of somebody else', async () => {
    const commands = commandsOf('audit.md')
    expect(commands.length).toBeGreaterThan(5)
    for (const [, ...args] of commands.filter(([, , flag]) => flag !== '--head')) {
      await run(createAuditCommand, args)
      expect([args, process.exitCode]).toEqual([args, undefined])
    }
  })

  test('verify exits with 1 and names the first entry that was changed, and one that is missing', async () => {
    const before = await heads()
    expect(before.map(({ tenant, ok }) => [tenant, ok])).toEqual([
      ['@system', true],
      ['default', true],
    ])
    expect(process.exitCode).toBeUndefined()
    const head = before.find(({ tenant }) => tenant === 'default')?.head as string
    await createKey(db, { tenant: 'default', name: 'later', scopes: ['read'] })
    const kept = await run(createAuditCommand, ['verify', '--tenant', 'default', '--head', head])
    expect(kept.out).toMatch(
      /^✓ default: \d+ entries as they were written\.\n {2}--head default=\d+:/,
    )

    const { rows } = await database.pool.query(
      "UPDATE audit_log SET object = 'key 2' WHERE sequence = 2 RETURNING tenant_id",
    )
    expect(rows).toHaveLength(1)
    const changed = await run(createAuditCommand, ['verify'])
    expect(changed.out).toContain('✗ default: entry 2: it was changed.')
    expect(process.exitCode).toBe(1)

    await database.pool.query('DELETE FROM audit_log; DELETE FROM audit_head')
    const gone = await run(createAuditCommand, ['verify', '--head', head])
    expect(gone.out).toContain('✗ default: all of it is missing.')
  })

  test('verify refuses a head that is not as it printed it', async () => {
    await expect(run(createAuditCommand, ['verify', '--head', 'default=1'])).rejects.toThrow(
      'Use what "audit verify" printed',
    )
  })
})
