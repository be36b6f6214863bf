import { randomBytes } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { createDatabase } from '../db/database.ts'
import { LOCKS } from '../db/locks.ts'
import { type AuditActor, recordAudit } from '../identity/audit/audit-log.ts'
import { type CatalogueTable, readCatalogue, readSchemaVersion } from './catalogue.ts'
import { BackupError, type FileEntry, FORMAT, MANIFEST, type Manifest } from './manifest.ts'
import type { BackupStore } from './store.ts'
import { Meter } from './streams.ts'

export interface CreateBackupOptions {
  databaseUrl: string
  store: BackupStore
  /** Of this program. */
  version: string
  by: AuditActor
  signal?: AbortSignal
  onProgress?: (done: number, all: number) => void
}

/** Connections of the backup: nothing is slower than Postgres for a machine that is busy. */
export const CONNECT_MS_MAX = 10_000

/**
 * Writes a backup of the database as it is at one moment: rows, results and positions in the log belong together. Reads
 * one table after the other in one transaction, and holds no table in memory. Events may come in meanwhile.
 * @throws BackupError while another backup is being made, or where a migration was applied meanwhile
 */
export async function createBackup(options: CreateBackupOptions): Promise<Manifest> {
  const { databaseUrl, store, signal = new AbortController().signal } = options
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'sluice backup',
    connectionTimeoutMillis: CONNECT_MS_MAX,
    keepAlive: true,
    options: '-c timezone=UTC -c datestyle=ISO -c lock_timeout=10s',
  })
  client.on('error', () => {})
  await client.connect()
  // Ends the COPY under way, too.
  const end = () => void client.end().catch(() => {})
  signal.addEventListener('abort', end, { once: true })
  let backupId: string | undefined
  try {
    const { rows } = await client.query<{ locked: boolean }>(
      `SELECT pg_try_advisory_lock(${LOCKS.backup.key}) AS locked`,
    )
    if (!rows[0]?.locked) throw new BackupError('Another backup of this database is being made.')
    const tables = await beginSnapshot(client)
    const { id, manifest } = await describe(client, options.version)
    backupId = id
    manifest.sequences = await readSequences(client, tables)
    const parts = tables.flatMap((table) =>
      (table.partitions ?? [null]).map((partition) => ({ table, partition })),
    )
    for (const [i, { table, partition }] of parts.entries()) {
      signal.throwIfAborted()
      manifest.files.push(await copyPart(client, store, id, table, partition))
      options.onProgress?.(i + 1, parts.length)
    }
    await client.query('COMMIT')
    await store.write(`${id}/${MANIFEST}`, Readable.from([JSON.stringify(manifest)]))
    await record(options, manifest)
    return manifest
  } catch (error) {
    // Without a manifest it is no backup; the next one would not miss it.
    if (backupId !== undefined) await store.delete(backupId).catch(() => {})
    throw error
  } finally {
    signal.removeEventListener('abort', end)
    await client.end().catch(() => {})
  }
}

/** Locks before it reads, so that no partition of the snapshot can be dropped. */
async function beginSnapshot(client: pg.Client): Promise<CatalogueTable[]> {
  const before = await readSchemaVersion(client)
  const names = (await readCatalogue(client)).map(({ name }) => pg.escapeIdentifier(name))
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  await client.query(`LOCK TABLE ${names.join(', ')} IN ACCESS SHARE MODE`)
  const tables = await readCatalogue(client)
  if ((await readSchemaVersion(client)).number !== before.number)
    throw new BackupError('A migration was applied meanwhile. Make the backup again.')
  return tables
}

async function describe(
  client: pg.Client,
  version: string,
): Promise<{ id: string; manifest: Manifest }> {
  const { rows: times } = await client.query<{ at: string }>(
    `SELECT to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at`,
  )
  const createdAt = times[0]?.at as string
  const { rows: positions } = await client.query<Manifest['log']['positions'][number]>(
    'SELECT topic, partition, next_offset::float8 AS next_offset FROM log_position ORDER BY 1, 2',
  )
  const { rows: identities } = await client.query<{ identity: string | null }>(
    'SELECT max(log_identity) AS identity FROM log_position',
  )
  const id = `${createdAt.slice(0, 19).replaceAll(/[-:]/g, '')}Z-${randomBytes(4).toString('hex')}`
  const manifest: Manifest = {
    format: FORMAT,
    backup_id: id,
    created_at: createdAt,
    sluice_version: version,
    schema: await readSchemaVersion(client),
    log: { identity: identities[0]?.identity ?? null, positions },
    sequences: [],
    files: [],
  }
  return { id, manifest }
}

/** An id that was given to a row that is gone stays given. */
async function readSequences(
  client: pg.Client,
  tables: readonly CatalogueTable[],
): Promise<Manifest['sequences']> {
  const sequences: Manifest['sequences'] = []
  for (const { name: table, identities } of tables)
    for (const column of identities) {
      const { rows } = await client.query<{ last: number | null }>(
        'SELECT pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass)::float8 AS last',
        [table, column],
      )
      sequences.push({ table, column, last: rows[0]?.last ?? 0 })
    }
  return sequences
}

async function copyPart(
  client: pg.Client,
  store: BackupStore,
  backupId: string,
  { name: table, columns }: CatalogueTable,
  partition: string | null,
): Promise<FileEntry> {
  const source = partition ?? table
  const list = columns.map((column) => pg.escapeIdentifier(column)).join(', ')
  const copy = client.query(
    copyTo(
      `COPY (SELECT ${list} FROM ONLY ${pg.escapeIdentifier(source)}) TO STDOUT (FORMAT binary)`,
    ),
  )
  const raw = new Meter(`copying ${source}`)
  const compressed = new Meter(`writing ${source}`)
  const content = new PassThrough()
  const name = `${source}.copy.gz`
  // The fastest level: a backup should cost the disk more than the processor.
  await Promise.all([
    pipeline(copy, raw, createGzip({ level: 1 }), compressed, content),
    store.write(`${backupId}/${name}`, content),
  ])
  return {
    ...{ name, table, partition, columns },
    rows: copy.rowCount,
    bytes: raw.bytes,
    compressed_bytes: compressed.bytes,
    sha256: compressed.sha256(),
  }
}

async function record(
  { databaseUrl, store, by }: CreateBackupOptions,
  { backup_id, files }: Manifest,
): Promise<void> {
  const db = createDatabase(databaseUrl, { max: 1 })
  try {
    await db.transaction().execute((tx) =>
      recordAudit(tx, by, {
        tenantId: 0,
        action: 'backup.created',
        object: `backup ${backup_id}`,
        after: {
          location: store.location,
          bytes: files.reduce((sum, file) => sum + file.compressed_bytes, 0),
        },
      }),
    )
  } finally {
    await db.destroy()
  }
}
