import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { recordAudit } from '../../core/identity/audit/audit-log.ts'
import { loginUrl, mintLoginLink } from '../../core/identity/login-links.ts'
import { findRunning } from '../../local/run-file.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { CLI } from '../with-identity.ts'

export function createLoginCommand(config: Config, terminal: Terminal): Command {
  return new Command('login')
    .description('Print a link that signs in to the dashboard once, within ten minutes')
    .option('--url <url>', 'URL at which browsers reach core')
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const local = config.databaseUrl ? undefined : findRunning(config.home)?.core_url
        const url =
          options.url ?? local ?? config.publicUrl ?? `http://127.0.0.1:${config.corePort}`
        const token = await db.transaction().execute(async (tx) => {
          const minted = await mintLoginLink(tx)
          await recordAudit(tx, CLI, {
            tenantId: 0,
            action: 'sign-in.link-created',
            object: 'sign-in link',
          })
          return minted
        })
        const link = loginUrl(url, token)
        if (options.json) return terminal.printJson({ login_url: link })
        terminal.print(terminal.accent(link))
      }),
    )
}
