import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { loginUrl, mintLoginLink } from '../../core/identity/login-links.ts'
import { formatMinute, formatSecond } from '../format.ts'
import { requireRunningInstance, withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

export function createStatusCommand(config: Config, terminal: Terminal): Command {
  return new Command('status')
    .description(
      'Show the URLs and keys of the running instance, with a sign-in link; exit code 3 if there is none',
    )
    .option('--json', 'print JSON')
    .action(async (options) => {
      const run = requireRunningInstance(config)
      const token = await withDatabase({ ...config, databaseUrl: run.database_url }, mintLoginLink)
      const status = { ...run, login_url: loginUrl(run.core_url, token) }
      if (options.json) return terminal.printJson(status)
      terminal.print(
        `Sluice has been running since ${formatMinute(run.started_at)} (process ${run.pid}).`,
      )
      terminal.print(`  Sign in    ${terminal.accent(status.login_url)}`)
      for (const [name, value] of [
        ['Edge', run.edge_url],
        ['GraphQL', run.graphql_url],
        ['Gateway', run.gateway_url],
        ['Write key', run.write_key],
        ['Read key', run.read_key],
        ['Log driver', run.log],
        ['Log file', run.log_file],
      ] as const)
        terminal.print(`  ${name.padEnd(10)} ${value}`)
      terminal.print()
      terminal.printTable(
        ['part', 'process', 'since', 'restarts'],
        run.parts.map(({ name, pid, since, restarts }) => [
          name,
          pid === null ? 'restarting' : String(pid),
          formatSecond(since),
          String(restarts),
        ]),
      )
    })
}
