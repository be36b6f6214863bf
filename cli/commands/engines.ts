import { join } from 'node:path'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { probeEngines } from '../../tools/engines/probes.ts'
import { type EnginesState, findRunningEngines } from '../../tools/engines/state.ts'
import { startSupervisor, stopSupervisor } from '../../tools/engines/supervisor-client.ts'
import { formatSecondsSince } from '../format.ts'
import { parseWholeNumber } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'

export function createEnginesCommand(config: Config, terminal: Terminal): Command {
  const home = join(config.home, 'engines')
  const engines = new Command('engines').description(
    'Run real Postgres, Redis and Kafka on this machine, without Docker',
  )
  engines
    .command('start', { isDefault: true })
    .description('Start all engines and print their addresses')
    .option(
      '--brokers <number>',
      'number of Kafka brokers, 512 MB of heap each',
      parseWholeNumber(1, 3),
      1,
    )
    .option('--json', 'print JSON')
    .action(({ brokers, json }) => startAll(home, brokers, terminal, json === true))
  engines
    .command('status')
    .description(
      'Show the addresses of the engines and whether each responds; exit code 3 if none run',
    )
    .option('--json', 'print JSON')
    .action(({ json }) => showStatus(home, terminal, json === true))
  engines
    .command('stop')
    .description('Stop all engines (data is kept)')
    .action(async () => {
      terminal.print((await stopSupervisor(home)) ? 'Stopped.' : 'No engines were running.')
    })
  return engines
}

async function startAll(
  home: string,
  brokers: number,
  terminal: Terminal,
  json: boolean,
): Promise<void> {
  const startedAt = Date.now()
  const running = findRunningEngines(home)
  if (running && running.kafka_brokers.length !== brokers)
    throw new UsageError(
      `The engines are already running, with ${running.kafka_brokers.length} Kafka broker${running.kafka_brokers.length > 1 ? 's' : ''}.`,
      'Stop them first: npm run engines -- stop. Clusters of different size share no data.',
    )
  const onStep = (step: string) => json || terminal.print(terminal.muted(`  ${step} …`))
  const state = running ?? (await startSupervisor(home, brokers, onStep))
  if (json) return terminal.printJson(state)
  if (running) terminal.print('The engines are already running.')
  else terminal.print(`\nThe engines are ready (${formatSecondsSince(startedAt)}).`)
  printAddresses(terminal, state)
}

async function showStatus(home: string, terminal: Terminal, json: boolean): Promise<void> {
  const state = findRunningEngines(home)
  if (!state)
    throw Object.assign(
      new UsageError(`No engines are running on ${home}.`, 'Start them: npm run engines'),
      { exitCode: 3 },
    )
  const responding = await probeEngines(state)
  if (json) terminal.printJson({ ...state, responding })
  else {
    printAddresses(terminal, state)
    for (const [name, isResponding] of Object.entries(responding))
      if (!isResponding) terminal.printError(`${name} does not respond.`, `Its log is in ${home}.`)
  }
  if (Object.values(responding).includes(false)) process.exitCode = 1
}

function printAddresses(terminal: Terminal, state: EnginesState): void {
  const { print, accent, muted } = terminal
  print()
  print(`  Postgres  ${accent(state.database_url)}`)
  print(`  Redis     ${accent(state.redis_url)}`)
  print(`  Kafka     ${accent(state.kafka_brokers.join(','))}`)
  print()
  print('Run core on them:')
  print(`  npm exec -c 'node --env-file="${state.env_file}" core/main.ts'`)
  print(
    muted('Stop them with "npm run engines -- stop"; data and logs are kept next to that file.'),
  )
}
