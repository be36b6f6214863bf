import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { loginUrl } from '../../core/identity/login-links.ts'
import { createLoginLink } from '../../core/identity/sign-in/create-login-link.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { findRunning } from '../../local/run-file.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

export function createLoginCommand(config: Config, terminal: Terminal): Command {
  return new Command('login')
    .description('Print a link that signs in to the dashboard once, within ten minutes')
    .option('--url <url>', 'URL at which browsers reach core')
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        if (!config.signIn.loginLink)
          throw new UsageError(
            'Sign-in links are switched off by SLUICE_SIGN_IN_LINKS.',
            'Sign in by a provider or a passkey, at /login of core.',
          )
        const local = config.databaseUrl ? undefined : findRunning(config.home)?.core_url
        const url =
          options.url ?? local ?? config.publicUrl ?? `http://127.0.0.1:${config.corePort}`
        const link = loginUrl(url, await createLoginLink(db))
        if (options.json) return terminal.printJson({ login_url: link })
        terminal.print(terminal.accent(link))
      }),
    )
}
