import { join } from 'node:path'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { probeEngines } from '../../tools/engines/probes.ts'
import { type EnginesState, findRunningEngines } from '../../tools/engines/state.ts'
import { startSupervisor, stopSupervisor } from '../../tools/engines/supervisor-client.ts'
import { whole } from '../numbers.ts'
import type { Terminal } from '../terminal.ts'

export function enginesCommand(config: Config, terminal: Terminal): Command {
  const home = join(config.home, 'engines')
  const engines = new Command('engines').description(
    'real Postgres, Redis and Kafka on this machine, without Docker',
  )
  engines
    .command('start', { isDefault: true })
    .description('start what does not run yet, and say where each is')
    .option('--brokers <number>', 'how many Kafka brokers, 512 MB of heap each', whole(1, 3), 1)
    .option('--json', 'for a script')
    .action(async ({ brokers, json }) => {
      const started = Date.now()
      const running = findRunningEngines(home)
      if (running && running.kafka_brokers.length !== brokers)
        throw new UsageError(
          `The engines run already, with ${running.kafka_brokers.length} Kafka broker${running.kafka_brokers.length > 1 ? 's' : ''}.`,
          'Stop them first: npm run engines -- stop. Clusters of different size share no data.',
        )
      const onStep = (step: string) => json || terminal.say(terminal.muted(`  ${step} …`))
      const state = running ?? (await startSupervisor(home, brokers, onStep))
      if (json) return terminal.json(state)
      if (running) terminal.say('The engines run already.')
      else terminal.say(`\nThe engines are ready (${seconds(started)}).`)
      sayWhere(terminal, state)
    })
  engines
    .command('status')
    .description('where they are and whether each answers; exit code 3 where none runs')
    .option('--json', 'for a script')
    .action(async ({ json }) => {
      const state = findRunningEngines(home)
      if (!state)
        throw Object.assign(
          new UsageError(`No engines run on ${home}.`, 'Start them: npm run engines'),
          { exitCode: 3 },
        )
      const answers = await probeEngines(state)
      if (json) terminal.json({ ...state, answers })
      else {
        sayWhere(terminal, state)
        for (const [name, yes] of Object.entries(answers))
          if (!yes) terminal.fail(`${name} does not answer.`, `Its log is in ${home}.`)
      }
      if (Object.values(answers).includes(false)) process.exitCode = 1
    })
  engines
    .command('stop')
    .description('stop all of them; their data stay')
    .action(async () => {
      terminal.say((await stopSupervisor(home)) ? 'Stopped.' : 'No engines were running.')
    })
  return engines
}

function sayWhere(terminal: Terminal, state: EnginesState): void {
  const { say, accent, muted } = terminal
  say()
  say(`  Postgres  ${accent(state.database_url)}`)
  say(`  Redis     ${accent(state.redis_url)}`)
  say(`  Kafka     ${accent(state.kafka_brokers.join(','))}`)
  say()
  say('Core on them:')
  say(`  npm exec -c 'node --env-file="${state.env_file}" core/main.ts'`)
  say(muted('"npm run engines -- stop" stops them; data and logs stay beside that file.'))
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}
