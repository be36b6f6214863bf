import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import {
  BACKUP_ID,
  BackupError,
  MANIFEST,
  MANIFEST_BYTES_MAX,
  type Manifest,
  parseManifest,
} from './manifest.ts'
import type { BackupStore } from './store.ts'
import { Meter } from './streams.ts'

/** @throws BackupError */
export async function readManifest(store: BackupStore, backupId: string): Promise<Manifest> {
  if (!BACKUP_ID.test(backupId)) throw new BackupError('This is not the name of a backup.')
  const content = await store.read(`${backupId}/${MANIFEST}`)
  const meter = new Meter('the manifest', MANIFEST_BYTES_MAX)
  const [json] = await Promise.all([text(meter), pipeline(content, meter)])
  const manifest = parseManifest(json)
  if (manifest.backup_id !== backupId)
    throw new BackupError('The manifest belongs to another backup.')
  return manifest
}

/** The newest complete one. @throws BackupError where there is none */
export async function findLatestBackup(store: BackupStore): Promise<string> {
  for (const id of (await store.listBackups()).reverse())
    if (await store.has(`${id}/${MANIFEST}`)) return id
  throw new BackupError(`No complete backup exists in ${store.location}.`)
}
