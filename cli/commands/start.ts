import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { AlreadyRunningError, type EmbeddedSluice, startEmbedded } from '../../local/local.ts'
import type { RunFile } from '../../local/run-file.ts'
import { formatMinute, formatSecondsSince } from '../format.ts'
import { parseWholeNumber } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'

/** A second Ctrl-C within this time is a copy of the first: npm and the terminal both send it. */
const DUPLICATE_SIGNAL_MS = 500

const ALARM_HINTS = {
  'offset-gap':
    'Their partition is paused, everything else continues. "npm run sluice -- offsets list" shows what is missing.',
  restart: undefined,
}

interface Options {
  edgePort: number
  corePort: number
  demo: boolean
  seed: number
  json?: true
}

export function createStartCommand(config: Config, terminal: Terminal): Command {
  return new Command('start')
    .description('Start Sluice on this machine: Postgres, core, dashboard and edge')
    .option('--edge-port <port>', 'port of the edge', parseWholeNumber(0, 65_535), 8787)
    .option(
      '--core-port <port>',
      'port of dashboard, GraphQL and gateway',
      parseWholeNumber(0, 65_535),
      config.corePort,
    )
    .option('--no-demo', 'do not send demo traffic')
    .option('--seed <number>', 'seed of the demo traffic', parseWholeNumber(0), 1)
    .option('--json', 'print URLs and keys as JSON')
    .action(async (options: Options) => {
      const startedAt = Date.now()
      const stopper = createStopper(terminal, options.json === true)
      try {
        const sluice = await startEmbedded({
          home: config.home,
          edgePort: options.edgePort,
          corePort: options.corePort,
          demo: options.demo,
          seed: options.seed,
          edge: config.edge,
          siteKeys: config.collector.settings.SLUICE_SITE_KEYS,
          logLevel: config.logLevel,
          retentionDays: config.retentionDays,
          signIn: config.signIn,
          audit: config.audit,
          canaries: config.canaries,
          verification: config.verification,
          onStep: (step) => options.json || terminal.print(terminal.muted(`  ${step} …`)),
          onAlarm: (message, kind) => terminal.printError(message, ALARM_HINTS[kind]),
        })
        stopper.ready(sluice)
        if (options.json) terminal.printJson({ ...sluice.run, notes: sluice.notes })
        else printReady(terminal, sluice, startedAt, options.demo)
      } catch (error) {
        if (!(error instanceof AlreadyRunningError)) throw error
        if (options.json) return terminal.printJson(error.run)
        printAlreadyRunning(terminal, error.run)
        process.exit(0)
      }
    })
}

function printAlreadyRunning({ print, accent }: Terminal, run: RunFile): void {
  print(
    `Sluice is already running on this folder, since ${formatMinute(run.started_at)} (process ${run.pid}).`,
  )
  print(
    `  Dashboard  ${accent(run.dashboard_url)}   ("npm run sluice -- status" prints a sign-in link)`,
  )
  print(`  Edge       ${run.edge_url}`)
}

function printReady(
  terminal: Terminal,
  { run, notes }: EmbeddedSluice,
  startedAt: number,
  demo: boolean,
): void {
  const { print, accent, muted } = terminal
  print()
  print(`${accent('Sluice')} is ready ${muted(`(${formatSecondsSince(startedAt)})`)}`)
  print()
  print(`  Dashboard  ${accent(run.login_url)}`)
  print(
    muted(
      '             This link signs in once, within 10 minutes; "npm run sluice -- status" prints another.',
    ),
  )
  print(`  Edge       ${run.edge_url}`)
  print(`  GraphQL    ${run.graphql_url}`)
  print(`  Write key  ${run.write_key}`)
  for (const note of notes) print(`  ${note}`)
  print()
  print('Send an event and see it on the chart:')
  print()
  print(curlCommand(run.edge_url, run.write_key))
  print()
  for (const line of demo ? [DEMO_NOTE, ...RUNTIME_NOTES] : RUNTIME_NOTES) print(muted(line))
}

const DEMO_NOTE =
  'Demo traffic: 20 events a second for the tenant "demo". "npm run sluice -- demo stop" stops it.'
const RUNTIME_NOTES = [
  'Real parts: Postgres 17, the edge, GraphQL, dashboard. Replaced: Kafka by a log in Postgres, Redis by limits and',
  'idempotency in the memory of the edge. Ctrl-C stops all parts in order.',
]

function curlCommand(edgeUrl: string, key: string): string {
  const body = '{"event":"page_view","user_id":"u123","page":"/pricing"}'
  return `  curl ${edgeUrl}/v1/events -H 'Authorization: Bearer ${key}' \\\n    -H 'Content-Type: application/json' -d '${body}'`
}

/** Ctrl-C stops in order; a second one stops at once. During the start it takes effect when all parts run. */
function createStopper(terminal: Terminal, isQuiet: boolean) {
  let sluice: EmbeddedSluice | undefined
  let requestedAt = 0
  const onSignal = () => {
    const now = Date.now()
    if (requestedAt > 0) {
      if (now - requestedAt > DUPLICATE_SIGNAL_MS) stopNow()
      return
    }
    requestedAt = now
    if (!isQuiet)
      terminal.print('\nStopping. Accepted events are stored first; Ctrl-C again stops at once.')
    if (sluice) void stop(sluice)
  }
  async function stop(running: EmbeddedSluice): Promise<void> {
    try {
      await running.stop()
      process.exit(0)
    } catch (error) {
      terminal.printError((error as Error).message, 'The next start recovers.')
      process.exit(1)
    }
  }
  /** Leaves no process running; Postgres recovers at the next start. */
  function stopNow(): never {
    sluice?.kill()
    process.exit(130)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  return {
    ready(running: EmbeddedSluice) {
      sluice = running
      if (requestedAt > 0) void stop(running)
    },
  }
}
