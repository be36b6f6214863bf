import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawRecord, rawValue } from '../../tests/lib/records.ts'
import type { ProofSystem } from '../proof/testing/proof-system.ts'
import { seedProofSystem } from '../proof/verify/testing/seed.ts'
import { verify } from '../proof/verify/verify.ts'
import { createWorker } from '../worker/worker.ts'
import { createBackup } from './create-backup.ts'
import { createFolderStore } from './folder-store.ts'
import type { Manifest } from './manifest.ts'
import { findLatestBackup } from './read-manifest.ts'
import { restoreBackup } from './restore-backup.ts'
import { createEmptyDatabase, readNumbers } from './testing/restored.ts'

const BY = { kind: 'cli' } as const
const quiet = { info() {}, warn() {}, error() {} }

let system: ProofSystem
let folder: string
let manifest: Manifest

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-backup-'))
  system = await seedProofSystem()
  await system.database.pool.query(`
    INSERT INTO person (issuer, subject, name) VALUES ('i', 's', 'A person');
    INSERT INTO session (token_sha256, expires_at) VALUES ('\\x01', now() + interval '1 day');
    INSERT INTO unaccounted_minute VALUES (1, now(), 3, now());
    UPDATE log_lease SET worker_id = 'gone'`)
  manifest = await backup()
}, 90_000)
afterAll(async () => {
  await system.close()
  rmSync(folder, { recursive: true })
})

function backup(): Promise<Manifest> {
  return createBackup({
    ...{ databaseUrl: system.database.url, store: createFolderStore(folder), version: '0.0.0' },
    by: BY,
  })
}

async function restored<T>(
  work: (database: { url: string; pool: pg.Pool }) => Promise<T>,
  from: string = folder,
): Promise<T> {
  const database = await createEmptyDatabase()
  try {
    const store = createFolderStore(from)
    await restoreBackup({
      ...{ databaseUrl: database.url, store, backupId: manifest.backup_id, by: BY },
    })
    return await work(database)
  } finally {
    await database.drop()
  }
}

test('a backup is readable by its owner only, has a file for each day, and nobody who is signed in', () => {
  const path = join(folder, manifest.backup_id)
  expect(statSync(path).mode & 0o777).toBe(0o700)
  for (const name of readdirSync(path)) expect(statSync(join(path, name)).mode & 0o777).toBe(0o600)
  expect(
    readdirSync(path).filter((name) => /^event_\d{8}\.copy\.gz$/.test(name)).length,
  ).toBeGreaterThan(2)
  expect(readdirSync(path).filter((name) => /session|partial/.test(name))).toEqual([])
})

test('a restored database has every row, verifies clean, and forgets sessions, leases and alarms', async () => {
  const before = await readNumbers(system.database.pool)
  await restored(async ({ url, pool }) => {
    expect(await readNumbers(pool)).toEqual(before)
    const { clean, differences } = await verify({ databaseUrl: url, log: system.log })
    expect({ clean, differences }).toEqual({ clean: true, differences: [] })
    const { rows } = await pool.query(
      `SELECT (SELECT count(*)::int FROM session) AS sessions, (SELECT count(*)::int FROM unaccounted_minute) AS alarms,
              (SELECT count(worker_id)::int FROM log_lease) AS leases, (SELECT count(*)::int FROM person) AS people,
              (SELECT action FROM audit_log WHERE tenant_id = 0 ORDER BY sequence DESC LIMIT 1) AS audited`,
    )
    expect(rows).toEqual([
      { sessions: 0, alarms: 0, leases: 0, people: 1, audited: 'backup.restored' },
    ])
    const { rows: added } = await pool.query(
      `INSERT INTO tenant (slug) VALUES ('next') RETURNING tenant_id > (SELECT max(tenant_id) FROM tenant WHERE slug <> 'next') AS is_new`,
    )
    expect(added).toEqual([{ is_new: true }])
  })
})

test('a worker that reads the log from the restored positions counts everything as the original did', async () => {
  const at = new Date(Date.now() - 60_000).toISOString()
  const event = (n: number) =>
    rawRecord({
      ...{
        event_id: `order-${n}`,
        name: `name_${n % 3}`,
        actor: `actor-${n}`,
        source: `s-${n % 2}`,
      },
      ...{ value: n / 3, received_at: at, properties: { n } },
    })
  const stop = system.startWorker()
  // New ones, some that the backup has, some twice, and dead letters.
  await system.append(Array.from({ length: 200 }, (_, i) => event(600 + i)))
  await system.append(Array.from({ length: 50 }, (_, i) => event(700 + i)))
  await system.append([rawValue('not JSON'), rawRecord({ tenant: 'nobody', received_at: at })])
  await system.untilApplied()
  await stop()
  const original = await readNumbers(system.database.pool)
  await restored(async ({ url, pool }) => {
    const ended = new AbortController()
    const worker = createWorker({ databaseUrl: url, log: system.log, logger: quiet })
    const running = worker.run(ended.signal)
    await expect.poll(() => readNumbers(pool), { timeout: 30_000, interval: 200 }).toEqual(original)
    ended.abort()
    await running
    const { differences } = await verify({ databaseUrl: url, log: system.log })
    expect(differences).toEqual([])
  })
})

test('a database that is in use is refused, and stays as it is', async () => {
  const before = await readNumbers(system.database.pool)
  const store = createFolderStore(folder)
  const options = { store, backupId: manifest.backup_id, by: BY }
  await expect(restoreBackup({ databaseUrl: system.database.url, ...options })).rejects.toThrow(
    'The database is not empty',
  )
  expect(await readNumbers(system.database.pool)).toEqual(before)
})

test('a backup without its manifest is none: the newest complete one is found', async () => {
  const second = await backup()
  const store = createFolderStore(folder)
  expect(await findLatestBackup(store)).toBe(second.backup_id)
  rmSync(join(folder, second.backup_id, 'manifest.json'))
  expect(await findLatestBackup(store)).toBe(manifest.backup_id)
  await store.delete(second.backup_id)
  expect(await store.listBackups()).toEqual([manifest.backup_id])
})

describe('a backup that was tampered with', () => {
  let database: Awaited<ReturnType<typeof createEmptyDatabase>>
  beforeAll(async () => {
    database = await createEmptyDatabase()
  })
  afterAll(() => database.drop())
  const path = (name: string) => join(folder, manifest.backup_id, name)
  const attempt = () =>
    restoreBackup({
      ...{ databaseUrl: database.url, store: createFolderStore(folder), by: BY },
      backupId: manifest.backup_id,
    })

  async function refused(name: string, content: string | Buffer): Promise<string> {
    const before = readFileSync(path(name))
    writeFileSync(path(name), content)
    try {
      return await attempt().then(
        () => 'restored',
        (error) => `${error.name}: ${error.message}`,
      )
    } finally {
      writeFileSync(path(name), before)
    }
  }
  const withManifest = (change: (manifest: Manifest) => void) => {
    const changed = structuredClone(manifest)
    change(changed)
    return refused('manifest.json', JSON.stringify(changed))
  }
  const first = (changed: Manifest) => changed.files[0] as Manifest['files'][number]

  const CHANGES: [what: string, change: (manifest: Manifest) => void, why: RegExp][] = [
    ['a path', (m) => Object.assign(first(m), { name: '../../etc/passwd.copy.gz' }), /invalid at/],
    [
      'a table that does not exist',
      (m) => Object.assign(first(m), { table: 'pg_authid', name: 'pg_authid.copy.gz' }),
      /fits no table/,
    ],
    [
      'SQL as a table',
      (m) => Object.assign(first(m), { table: 'tenant; DROP TABLE event' }),
      /invalid at/,
    ],
    [
      'SQL as a column',
      (m) => Object.assign(first(m), { columns: ['a") FROM PROGRAM'] }),
      /invalid at/,
    ],
    ['another column', (m) => Object.assign(first(m), { columns: ['slug'] }), /fits no table/],
    ['a file that is named twice', (m) => m.files.push(first(m)), /twice/],
    [
      'a table that is missing',
      (m) =>
        m.files.splice(
          m.files.findIndex(({ table }) => table === 'tenant'),
          1,
        ),
      /no rows of the table tenant/,
    ],
    [
      'a schema of the future',
      (m) => Object.assign(m.schema, { number: 9_999 }),
      /Use a newer version/,
    ],
    [
      'a schema of another program',
      (m) => Object.assign(m.schema, { sha256: '0'.repeat(64) }),
      /differs/,
    ],
    ['a newer format', (m) => Object.assign(m, { format: 2 }), /newer version/],
    ['a field that nobody knows', (m) => Object.assign(m, { extra: 1 }), /invalid at/],
    [
      'a partition of the year 9999',
      (m) => {
        const file = m.files.find(({ partition }) => partition?.startsWith('event_2'))
        Object.assign(file as object, {
          partition: 'event_99990101',
          name: 'event_99990101.copy.gz',
        })
      },
      /of no partition/,
    ],
    [
      'fewer bytes than the file has',
      (m) => Object.assign(first(m), { bytes: 1 }),
      /longer than its manifest/,
    ],
    [
      'another number of rows',
      (m) => Object.assign(first(m), { rows: first(m).rows + 1 }),
      /does not have the rows/,
    ],
    [
      'another checksum',
      (m) => Object.assign(first(m), { sha256: '0'.repeat(64) }),
      /SHA-256 differs/,
    ],
    [
      'the manifest of another backup',
      (m) => Object.assign(m, { backup_id: '20260101T000000Z-00000000' }),
      /another backup/,
    ],
  ]
  test.each(CHANGES)('is refused: %s', async (_, change, why) => {
    expect(await withManifest(change)).toMatch(new RegExp(`^BackupError: .*${why.source}`))
  })

  test('is refused: a file with a changed byte, cut short, or missing; the last leaves no row', async () => {
    const name = manifest.files.find(({ table }) => table === 'tenant')?.name as string
    const content = readFileSync(path(name))
    const changed = Buffer.from(content)
    changed[changed.length - 6] = (changed[changed.length - 6] as number) ^ 1
    expect(await refused(name, changed)).toMatch(/^BackupError: /)
    expect(await refused(name, content.subarray(0, -12))).toMatch(/^BackupError: /)
    expect(await refused(name, Buffer.alloc(0))).toMatch(/^BackupError: /)
    const { rows } = await database.pool.query('SELECT count(*)::int AS tenants FROM tenant')
    expect(rows).toEqual([{ tenants: 0 }])
    // And the untouched one goes in.
    await attempt()
  })
})
