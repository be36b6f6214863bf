import type { Manifest } from '../../core/backup/manifest.ts'

export interface BackupSize {
  rows: number
  /** As Postgres sent them. */
  bytes: number
  compressedBytes: number
}

export function sizeOf({ files }: Manifest): BackupSize {
  const size = { rows: 0, bytes: 0, compressedBytes: 0 }
  for (const file of files) {
    size.rows += file.rows
    size.bytes += file.bytes
    size.compressedBytes += file.compressed_bytes
  }
  return size
}
