import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { mintLoginLink } from '../../core/identity/sessions.ts'
import { findRunning } from '../../local/run-file.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

export function loginCommand(config: Config, terminal: Terminal): Command {
  return new Command('login')
    .description('a link that signs one browser in to the dashboard, once, within ten minutes')
    .option('--url <url>', 'where browsers reach core')
    .option('--json', 'for a script')
    .action((options) =>
      withDatabase(config, async (db) => {
        const here = config.databaseUrl ? undefined : findRunning(config.home)?.core_url
        const url = options.url ?? here ?? config.publicUrl ?? `http://127.0.0.1:${config.corePort}`
        const link = `${url.replace(/\/+$/, '')}/login?token=${await mintLoginLink(db)}`
        if (options.json) return terminal.json({ login_url: link })
        terminal.say(terminal.accent(link))
      }),
    )
}
