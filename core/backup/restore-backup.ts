import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { createDatabase } from '../db/database.ts'
import { LOCKS } from '../db/locks.ts'
import { MIGRATIONS_FOLDER, migrate, readMigrations } from '../db/migrate.ts'
import { type AuditActor, recordAudit } from '../identity/audit/audit-log.ts'
import { type CatalogueTable, readCatalogue, readSchemaVersion } from './catalogue.ts'
import { CONNECT_MS_MAX } from './create-backup.ts'
import { BackupError, type FileEntry, type Manifest } from './manifest.ts'
import { ensurePartitions } from './partitions.ts'
import { readManifest } from './read-manifest.ts'
import type { BackupStore } from './store.ts'
import { Meter } from './streams.ts'

export interface RestoreOptions {
  databaseUrl: string
  store: BackupStore
  backupId: string
  by: AuditActor
  /** Leave the database at the schema of the backup. */
  withoutLaterMigrations?: boolean
  migrations?: string
  onProgress?: (done: number, all: number) => void
}

/**
 * Restores a backup into an empty database: the schema of the backup, its rows in one transaction, then the migrations
 * that came later. A restore that fails leaves no row, and can be repeated.
 * @throws BackupError where the database is not empty, or the backup is damaged
 */
export async function restoreBackup(options: RestoreOptions): Promise<Manifest> {
  const { databaseUrl, store, backupId, migrations = MIGRATIONS_FOLDER } = options
  const manifest = await readManifest(store, backupId)
  checkHistory(manifest, migrations)
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'sluice restore',
    connectionTimeoutMillis: CONNECT_MS_MAX,
    keepAlive: true,
    options: '-c timezone=UTC -c datestyle=ISO -c lock_timeout=10s',
  })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rows } = await client.query<{ locked: boolean }>(
      `SELECT pg_try_advisory_lock(${LOCKS.restore.key}) AS locked`,
    )
    if (!rows[0]?.locked) throw new BackupError('A backup is being restored into this database.')
    await checkEmpty(client, manifest)
    await migrate(databaseUrl, undefined, migrations, manifest.schema.number)
    const tables = await readCatalogue(client)
    checkFiles(manifest, tables)
    await ensurePartitions(databaseUrl, manifest.files)
    await restoreRows(client, options, manifest, tables)
    // Without it the first queries would be planned for empty tables.
    await client.query('ANALYZE')
  } finally {
    await client.end().catch(() => {})
  }
  if (!options.withoutLaterMigrations) {
    await migrate(databaseUrl, undefined, migrations)
    await record(options, manifest)
  }
  return manifest
}

/** @throws BackupError where this program has another history of migrations */
function checkHistory({ schema }: Manifest, folder: string): void {
  const file = readMigrations(folder)[schema.number - 1]
  if (!file)
    throw new BackupError(
      `The backup has the schema ${schema.number}, which this version does not know. Use a newer version.`,
    )
  if (file.sha256 !== schema.sha256)
    throw new BackupError(
      `Migration ${schema.number} of the backup differs from that of this version.`,
    )
}

/** Nothing at all, or what migrations leave: then a restore that failed can be repeated. */
async function checkEmpty(client: pg.Client, { schema }: Manifest): Promise<void> {
  const { rows } = await client.query<{ tables: number; migrated: boolean }>(
    `SELECT count(*)::int AS tables, coalesce(bool_or(relname = 'migration'), false) AS migrated FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')`,
  )
  if (rows[0]?.tables === 0) return
  const refused = new BackupError(
    'The database is not empty. Restore into a new one: CREATE DATABASE creates it.',
  )
  if (!rows[0]?.migrated || (await readSchemaVersion(client)).number > schema.number) throw refused
  const { rows: used } = await client.query<{ used: boolean }>(
    `SELECT EXISTS (SELECT FROM tenant) OR EXISTS (SELECT FROM log_partition WHERE next_offset > 0)
         OR EXISTS (SELECT FROM log_position WHERE next_offset > 0 OR log_identity IS NOT NULL) AS used`,
  )
  if (used[0]?.used) throw refused
}

/** Names come from here on from the database only. @throws BackupError */
function checkFiles({ files, sequences }: Manifest, tables: readonly CatalogueTable[]): void {
  const known = new Map(tables.map((table) => [table.name, table]))
  for (const { name, table, partition, columns } of files) {
    const found = known.get(table)
    const isPart = partition === null ? !found?.partitions : found?.partitions !== undefined
    const fits =
      isPart &&
      name === `${partition ?? table}.copy.gz` &&
      (partition === null || partition.startsWith(`${table}_`)) &&
      [...columns].sort().join() === [...(found?.columns ?? [])].sort().join()
    if (!fits) throw new BackupError(`The file ${name} of the backup fits no table of its schema.`)
  }
  const present = new Set(files.map(({ table }) => table))
  const missing = tables.find(({ name, partitions }) => !partitions && !present.has(name))
  if (missing) throw new BackupError(`The backup has no rows of the table ${missing.name}.`)
  for (const { table, column } of sequences)
    if (!known.get(table)?.identities.includes(column))
      throw new BackupError('The backup has a sequence that its schema does not have.')
}

/** In one transaction: nothing of a damaged backup stays. */
async function restoreRows(
  client: pg.Client,
  { store, backupId, onProgress }: RestoreOptions,
  manifest: Manifest,
  tables: readonly CatalogueTable[],
): Promise<void> {
  const names = tables.map(({ name }) => pg.escapeIdentifier(name))
  const switchTriggers = (how: 'DISABLE' | 'ENABLE') =>
    client.query(names.map((name) => `ALTER TABLE ${name} ${how} TRIGGER USER`).join('; '))
  await client.query('BEGIN')
  // A trigger would mark each row as changed now.
  await switchTriggers('DISABLE')
  await client.query(`TRUNCATE ${names.join(', ')} CASCADE`)
  const rank = new Map(tables.map(({ name }, i) => [name, i]))
  const files = [...manifest.files].sort(
    (a, b) => (rank.get(a.table) as number) - (rank.get(b.table) as number),
  )
  for (const [i, file] of files.entries()) {
    await copyFile(client, store, backupId, file)
    onProgress?.(i + 1, files.length)
  }
  for (const { table, column, last } of manifest.sequences)
    await client.query(
      `SELECT setval(pg_get_serial_sequence($1, $2), greatest($3::bigint, max(${pg.escapeIdentifier(column)}), 1),
                     greatest($3::bigint, max(${pg.escapeIdentifier(column)}), 0) > 0)
         FROM ${pg.escapeIdentifier(table)}`,
      [table, column, last],
    )
  await client.query(FORGET_FORMER_CLUSTER)
  await switchTriggers('ENABLE')
  await client.query('COMMIT')
}

/**
 * Ids of transactions mean nothing here: what they marked was committed before any transaction of this database. And no
 * worker and no reader over REST holds a partition.
 */
const FORGET_FORMER_CLUSTER = `
  UPDATE watermark SET moved_xid = NULL, published_highest_at = highest_at WHERE moved_xid IS NOT NULL;
  UPDATE tenant SET lateness_xid = NULL, changed_xid = NULL WHERE lateness_xid IS NOT NULL OR changed_xid IS NOT NULL;
  UPDATE api_key SET changed_xid = NULL WHERE changed_xid IS NOT NULL;
  UPDATE finality SET pending_xid = NULL, pending_snapshot = NULL, pending_applied_through = NULL, published_snapshot = '1:1:';
  UPDATE log_lease SET worker_id = NULL;
  UPDATE invitation SET revoked_at = now() WHERE accepted_at IS NULL AND revoked_at IS NULL;
  UPDATE rest_position SET instance_id = NULL, handed_offset = NULL, commits_at = NULL`

/** What Postgres gets is what the checksum is of: a file that differs from it rolls all back. */
async function copyFile(
  client: pg.Client,
  store: BackupStore,
  backupId: string,
  file: FileEntry,
): Promise<void> {
  const compressed = new Meter(`reading ${file.name}`, file.compressed_bytes)
  const raw = new Meter(`restoring ${file.name}`, file.bytes)
  const columns = file.columns.map((column) => pg.escapeIdentifier(column)).join(', ')
  const content = await store.read(`${backupId}/${file.name}`)
  const copy = client.query(
    copyFrom(`COPY ${pg.escapeIdentifier(file.table)} (${columns}) FROM STDIN (FORMAT binary)`),
  )
  try {
    await pipeline(content, compressed, createGunzip(), raw, copy)
  } catch (cause) {
    if (cause instanceof BackupError) throw cause
    throw new BackupError(`The file ${file.name} cannot be restored: ${(cause as Error).message}`, {
      cause,
    })
  }
  if (compressed.sha256() !== file.sha256)
    throw new BackupError(
      `The file ${file.name} was changed after the backup: its SHA-256 differs.`,
    )
  if (copy.rowCount !== file.rows || raw.bytes !== file.bytes)
    throw new BackupError(`The file ${file.name} does not have the rows that its manifest states.`)
}

async function record({ databaseUrl, store, by }: RestoreOptions, manifest: Manifest) {
  const db = createDatabase(databaseUrl, { max: 1 })
  try {
    await db.transaction().execute((tx) =>
      recordAudit(tx, by, {
        tenantId: 0,
        action: 'backup.restored',
        object: `backup ${manifest.backup_id}`,
        after: { location: store.location, of: manifest.created_at },
      }),
    )
  } finally {
    await db.destroy()
  }
}
