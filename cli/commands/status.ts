import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { mintLoginLink } from '../../core/identity/sessions.ts'
import { requireRunningInstance, withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

export function statusCommand(config: Config, terminal: Terminal): Command {
  return new Command('status')
    .description('where everything is, with a fresh sign-in link; exit code 3 when nothing runs')
    .option('--json', 'for a script')
    .action(async (options) => {
      const run = requireRunningInstance(config)
      const token = await withDatabase({ ...config, databaseUrl: run.database_url }, mintLoginLink)
      const status = { ...run, login_url: `${run.core_url}/login?token=${token}` }
      if (options.json) return terminal.json(status)
      terminal.say(
        `Sluice runs since ${new Date(run.started_at).toLocaleString()} (process ${run.pid})`,
      )
      terminal.say(`  Sign in    ${terminal.accent(status.login_url)}`)
      for (const [name, value] of [
        ['Edge', run.edge_url],
        ['GraphQL', run.graphql_url],
        ['Gateway', run.gateway_url],
        ['Write key', run.write_key],
        ['Read key', run.read_key],
        ['Log', `${run.log}; messages in ${run.log_file}`],
      ] as const)
        terminal.say(`  ${name.padEnd(9)}  ${value}`)
    })
}
