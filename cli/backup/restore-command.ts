import { join } from 'node:path'
import { Command } from 'commander'
import { findBackup } from '../../core/backup/open-store.ts'
import { restoreBackup } from '../../core/backup/restore-backup.ts'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { findRunning } from '../../local/run-file.ts'
import { startPostgresServer } from '../../tools/postgres/postgres-server.ts'
import { formatCount } from '../format.ts'
import { verifyAndPrint } from '../proof/verify-command.ts'
import type { Terminal } from '../terminal.ts'
import { CLI } from '../with-identity.ts'
import { withLogOf } from '../with-log.ts'
import { sizeOf } from './size.ts'

interface Options {
  verify?: true
  json?: true
}

export function createRestoreCommand(config: Config, terminal: Terminal): Command {
  return new Command('restore')
    .description(
      'Restore a backup into the empty database of DATABASE_URL, or into that of an empty SLUICE_HOME',
    )
    .argument('<from>', 'where backups are kept, for the newest of them, or one of them')
    .option('--verify', 'recount everything afterwards, as "sluice verify" does')
    .option('--json', 'print JSON')
    .action((from: string, options: Options) =>
      withEmptyDatabase(config, (databaseUrl) =>
        runRestore(config, databaseUrl, terminal, from, options),
      ),
    )
}

/** Without DATABASE_URL the Postgres of `npm start` runs for as long as the restore takes. */
async function withEmptyDatabase(
  config: Config,
  work: (databaseUrl: string) => Promise<void>,
): Promise<void> {
  if (config.databaseUrl) return work(config.databaseUrl)
  if (findRunning(config.home))
    throw new UsageError(
      `Sluice is running on ${config.home}, so its database is not empty.`,
      'Set SLUICE_HOME to a new folder, restore into it, and start Sluice there.',
    )
  const server = await startPostgresServer({ home: join(config.home, 'postgres') })
  try {
    await work(server.url)
  } finally {
    await server.stop()
  }
}

async function runRestore(
  config: Config,
  databaseUrl: string,
  terminal: Terminal,
  from: string,
  options: Options,
): Promise<void> {
  let progress: ReturnType<Terminal['progress']> | undefined
  const manifest = await restoreBackup({
    ...(await findBackup(from)),
    databaseUrl,
    by: CLI,
    onProgress(done, all) {
      progress ??= terminal.progress(all, 'files')
      progress.update(done)
    },
  }).finally(() => progress?.end())
  const { backup_id, created_at } = manifest
  if (!options.json)
    terminal.print(
      `Restored ${formatCount(sizeOf(manifest).rows)} rows of backup ${backup_id}, as of ${created_at}.`,
    )
  if (options.verify)
    return withLogOf(config, databaseUrl, (access) =>
      verifyAndPrint(terminal, access, { log: true, ...options }),
    )
  if (options.json) terminal.printJson({ backup_id, created_at })
}
