import { createFolderStore } from './folder-store.ts'
import { BACKUP_ID } from './manifest.ts'
import { findLatestBackup } from './read-manifest.ts'
import type { BackupStore } from './store.ts'

/** @param location a folder */
export function openBackupStore(location: string): BackupStore {
  return createFolderStore(location)
}

/**
 * @param from where backups are kept, for the newest, or one of them: `<location>/<backup id>`
 * @throws BackupError where there is none
 */
export async function findBackup(from: string): Promise<{ store: BackupStore; backupId: string }> {
  const trimmed = from.replace(/\/+$/, '')
  const last = trimmed.slice(trimmed.lastIndexOf('/') + 1)
  if (!BACKUP_ID.test(last)) {
    const store = openBackupStore(trimmed)
    return { store, backupId: await findLatestBackup(store) }
  }
  const store = openBackupStore(
    trimmed.slice(0, -last.length - 1) || (trimmed === last ? '.' : '/'),
  )
  return { store, backupId: last }
}
