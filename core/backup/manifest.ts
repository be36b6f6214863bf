import * as z from 'zod/mini'

/**
 * What a backup consists of. It is written last: a backup without its manifest is incomplete. Read back, it is a stranger's:
 * names are only compared with those that the migrated database has, and numbers are bounds.
 */
export const FORMAT = 1
export const MANIFEST = 'manifest.json'
export const MANIFEST_BYTES_MAX = 16 * 1024 * 1024

/** One statement's rows cannot be more, nor a file's bytes. */
const FILES_MAX = 20_000
const COLUMNS_MAX = 200

/** Also of files: what follows a slash or a dot is never looked up. */
const NAME = /^[a-z][a-z0-9_]{0,62}$/
const FILE_NAME = /^[a-z][a-z0-9_]{0,62}\.copy\.gz$/
export const BACKUP_ID = /^\d{8}T\d{6}Z-[0-9a-f]{8}$/
const SHA256 = /^[0-9a-f]{64}$/

const count = z.number().check(z.int(), z.gte(0))
const name = z.string().check(z.regex(NAME))
const sha256 = z.string().check(z.regex(SHA256))
const partition = z.number().check(z.int(), z.gte(0), z.lte(100_000))

const FileEntry = z.strictObject({
  name: z.string().check(z.regex(FILE_NAME)),
  table: name,
  /** Of a table by time: the name of the partition, `event_20261130`. */
  partition: z.nullable(name),
  columns: z.array(name).check(z.minLength(1), z.maxLength(COLUMNS_MAX)),
  rows: count,
  /** As Postgres sent them. */
  bytes: count,
  /** Of the file. */
  compressed_bytes: count,
  sha256,
})

const Manifest = z.strictObject({
  format: z.literal(FORMAT),
  backup_id: z.string().check(z.regex(BACKUP_ID)),
  /** By Postgres' clock, when the snapshot was taken. */
  created_at: z.iso.datetime(),
  sluice_version: z.string().check(z.maxLength(64)),
  /** The newest migration that was applied. */
  schema: z.strictObject({ number: z.number().check(z.int(), z.gte(1), z.lte(999_999)), sha256 }),
  log: z.strictObject({
    /** Of the log that the positions belong to; null where none was read. */
    identity: z.nullable(z.string().check(z.maxLength(500))),
    positions: z
      .array(
        z.strictObject({
          topic: z.string().check(z.maxLength(249)),
          partition,
          next_offset: count,
        }),
      )
      .check(z.maxLength(10_000)),
  }),
  sequences: z
    .array(z.strictObject({ table: name, column: name, last: count }))
    .check(z.maxLength(1_000)),
  files: z.array(FileEntry).check(z.maxLength(FILES_MAX)),
})

export type Manifest = z.infer<typeof Manifest>
export type FileEntry = z.infer<typeof FileEntry>

/** The backup is damaged, incomplete, or not one of Sluice. */
export class BackupError extends Error {
  override name = 'BackupError'
}

/** @throws BackupError that names what is wrong, without repeating it */
export function parseManifest(text: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BackupError('The manifest of the backup is not JSON.')
  }
  const { format } = (value ?? {}) as { format?: unknown }
  if (typeof format === 'number' && format > FORMAT)
    throw new BackupError('The backup was made by a newer version of Sluice. Restore it with that.')
  const parsed = Manifest.safeParse(value)
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0] ?? { path: [], message: '' }
    throw new BackupError(`The manifest of the backup is invalid at /${path.join('/')}: ${message}`)
  }
  const names = new Set(parsed.data.files.map((file) => file.name))
  if (names.size < parsed.data.files.length)
    throw new BackupError('The manifest of the backup names a file twice.')
  return parsed.data
}
