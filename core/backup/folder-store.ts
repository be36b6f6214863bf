import { createReadStream, createWriteStream } from 'node:fs'
import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { BACKUP_ID, BackupError, MANIFEST } from './manifest.ts'
import type { BackupStore } from './store.ts'

/** Backups hold everything that the database holds. */
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
const NAME = /^[^/]+\/[a-z0-9_]+(\.[a-z0-9]+)*$/

/** Backups in a folder of this machine. A file gets its name once it is whole and on the disk. */
export function createFolderStore(folder: string): BackupStore {
  const root = resolve(folder)
  const pathOf = (name: string) => {
    // Names come from manifests, too.
    if (!NAME.test(name) || !BACKUP_ID.test(name.split('/')[0] ?? ''))
      throw new BackupError('The backup names a file outside of its folder.')
    return join(root, name)
  }
  return {
    location: root,
    async write(name, content) {
      const path = pathOf(name)
      await mkdir(join(path, '..'), { recursive: true, mode: FOLDER_MODE })
      const partial = `${path}.partial`
      try {
        await pipeline(content, createWriteStream(partial, { mode: FILE_MODE, flush: true }))
        await rename(partial, path)
      } catch (error) {
        await rm(partial, { force: true })
        throw error
      }
      await syncFolder(join(path, '..'))
    },
    async read(name): Promise<Readable> {
      const path = pathOf(name)
      try {
        await access(path)
      } catch {
        throw new BackupError(`The backup has no file ${name}.`)
      }
      return createReadStream(path)
    },
    async listBackups() {
      const names = await readdir(root).catch((error) => {
        if (error.code === 'ENOENT') return []
        throw error
      })
      return names.filter((name) => BACKUP_ID.test(name)).sort()
    },
    async has(name) {
      return access(pathOf(name)).then(
        () => true,
        () => false,
      )
    },
    async delete(backupId) {
      await rm(pathOf(`${backupId}/${MANIFEST}`), { force: true })
      await rm(join(root, backupId), { recursive: true, force: true })
    },
  }
}

/** A rename is on the disk once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
