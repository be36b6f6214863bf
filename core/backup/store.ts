import type { Readable } from 'node:stream'

/** Where backups are kept: a folder, or a bucket of an S3-compatible store. Names are `<backup id>/<file>`. */
export interface BackupStore {
  /** For texts; without credentials. */
  readonly location: string
  /** A name has all of its content or does not exist. */
  write(name: string, content: Readable): Promise<void>
  /** @throws BackupError where there is none */
  read(name: string): Promise<Readable>
  /** Ids of backups, complete or not, oldest first. */
  listBackups(): Promise<string[]>
  has(name: string): Promise<boolean>
  /** All files of a backup, its manifest first: what is left of it is incomplete. */
  delete(backupId: string): Promise<void>
}
