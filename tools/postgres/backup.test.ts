import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { findDataDirectory, removeDataDirectory } from './data-directory.ts'
import { type PostgresServer, startPostgresServer } from './postgres-server.ts'

const homes: string[] = []
const servers: PostgresServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
  for (const home of homes.splice(0)) {
    removeDataDirectory(home)
    rmSync(home, { recursive: true, force: true })
  }
})

/** The steps of docs/operations.md, on the Postgres of `npm start`. */
test('a copy that was taken while Postgres was writing has each committed row, up to the chosen time and no further', async () => {
  const home = newHome()
  const archive = mkdtempSync(join(tmpdir(), 'sluice-archive-'))
  homes.push(archive)
  const server = await start(home)
  const client = await connect(server.adminUrl)
  // One row is both the result and the offset: they must come back together.
  await client.query(`
    CREATE TABLE result (id int PRIMARY KEY);
    CREATE TABLE position (next_offset int);
    INSERT INTO position VALUES (0)`)
  await apply(client, 100)
  await client.query("SELECT pg_backup_start('a test', fast => true)")
  await apply(client, 100)
  const data = findDataDirectory(home).dataFolder
  const copy = newHome()
  cpSync(join(home, 'postgres.password'), join(copy, 'postgres.password'))
  copyData(data, findDataDirectory(copy))
  await apply(client, 100)
  const { rows } = await client.query('SELECT labelfile FROM pg_backup_stop()')
  const until = await nextMoment(client)
  await apply(client, 50)
  await client.query('SELECT pg_switch_wal()')
  // What archive_command would have copied, segment by segment.
  cpSync(join(data, 'pg_wal'), archive, { recursive: true })
  await client.end()
  await server.stop()

  const restored = findDataDirectory(copy)
  writeFileSync(join(restored.dataFolder, 'backup_label'), rows[0].labelfile)
  appendFileSync(
    join(restored.dataFolder, 'postgresql.auto.conf'),
    `restore_command = 'cp "${archive}/%f" "%p"'\nrecovery_target_time = '${until}'\nrecovery_target_action = 'promote'\n`,
  )
  writeFileSync(join(restored.dataFolder, 'recovery.signal'), '')
  openTo(restored.user, archive, restored.dataFolder)

  // Sluice must not meet a Postgres that can only be read yet.
  const again = await start(copy, { hot_standby: 'off' })
  const reader = await connect(again.adminUrl)
  await expect
    .poll(async () => (await reader.query('SELECT pg_is_in_recovery() AS on')).rows[0].on)
    .toBe(false)
  const { rows: totals } = await reader.query(
    'SELECT (SELECT count(*)::int FROM result) AS rows, (SELECT next_offset FROM position) AS next',
  )
  expect(totals).toEqual([{ rows: 300, next: 300 }])
  await reader.end()
})

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'sluice-backup-'))
  homes.push(home)
  return home
}

async function start(home: string, settings: Record<string, string> = {}): Promise<PostgresServer> {
  const server = await startPostgresServer({ home, settings })
  servers.push(server)
  return server
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** As the worker does: results and the offset in one transaction. */
async function apply(client: pg.Client, count: number): Promise<void> {
  await client.query(`
    BEGIN;
    INSERT INTO result SELECT next_offset + n FROM position, generate_series(0, ${count - 1}) n;
    UPDATE position SET next_offset = next_offset + ${count};
    COMMIT`)
}

/** A time after what was committed and before what will be. */
async function nextMoment(client: pg.Client): Promise<string> {
  const { rows } = await client.query('SELECT pg_sleep(0.05), clock_timestamp()::text AS now')
  const after = await client.query('SELECT clock_timestamp()::text AS now, pg_sleep(0.05)')
  expect(after.rows[0].now >= rows[0].now).toBe(true)
  return after.rows[0].now
}

/** All but the WAL, which comes from the archive, and what belongs to the running process. */
function copyData(from: string, { dataFolder }: { dataFolder: string }): void {
  const skipped = ['pg_wal', 'postmaster.pid', 'postmaster.opts', 'pg_replslot', 'log']
  for (const name of readdirSync(from))
    if (!skipped.includes(name))
      cpSync(join(from, name), join(dataFolder, name), { recursive: true })
  for (const name of ['pg_wal', 'pg_replslot']) mkdirSync(join(dataFolder, name), { mode: 0o700 })
}

/** As root, Postgres runs as another user. */
function openTo(user: { uid: number; gid: number } | undefined, ...folders: string[]): void {
  if (!user) return
  for (const folder of folders) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, folder])
}
