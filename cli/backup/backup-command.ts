import { Command } from 'commander'
import { createBackup } from '../../core/backup/create-backup.ts'
import { openBackupStore } from '../../core/backup/open-store.ts'
import type { Config } from '../../core/config.ts'
import { readVersion } from '../../core/lib/version.ts'
import { formatBytes, formatCount } from '../format.ts'
import { requireRunningInstance } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { CLI } from '../with-identity.ts'
import { sizeOf } from './size.ts'

interface Options {
  to: string
  json?: true
}

export function createBackupCommand(config: Config, terminal: Terminal): Command {
  return new Command('backup')
    .description('Back up the database with its positions in the log, while Sluice runs')
    .requiredOption('--to <folder>', 'where backups are kept')
    .option('--json', 'print JSON')
    .action((options: Options) => runBackup(config, terminal, options))
}

async function runBackup(config: Config, terminal: Terminal, options: Options): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const store = openBackupStore(options.to)
  let progress: ReturnType<Terminal['progress']> | undefined
  try {
    const manifest = await createBackup({
      databaseUrl: config.databaseUrl ?? requireRunningInstance(config).database_url,
      version: readVersion(),
      by: CLI,
      store,
      signal: stop.signal,
      onProgress(done, all) {
        progress ??= terminal.progress(all, 'files')
        progress.update(done)
      },
    })
    progress?.end()
    const { backup_id: id, created_at } = manifest
    const { rows, compressedBytes: bytes } = sizeOf(manifest)
    if (options.json)
      return terminal.printJson({
        backup_id: id,
        location: store.location,
        created_at,
        rows,
        bytes,
      })
    terminal.print(
      `Backup ${id}: ${formatCount(rows)} rows, ${formatBytes(bytes)} in ${store.location}.`,
    )
  } finally {
    progress?.end()
  }
}
