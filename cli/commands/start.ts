import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { AlreadyRunningError, type EmbeddedSluice, startEmbedded } from '../../local/local.ts'
import { whole } from '../numbers.ts'
import type { Terminal } from '../terminal.ts'

/** A second Ctrl-C within this time is an echo of the first: npm and the terminal both pass it on. */
const ECHO_MS = 500

const ALARMS = {
  gap: 'Their partition waits until somebody decides ("npx sluice gap" tells); everything else goes on.',
  worker: 'The worker has stopped; see the log file. Events go on being accepted.',
}

export function startCommand(config: Config, terminal: Terminal): Command {
  return new Command('start')
    .description('run everything on this machine: Postgres, core, dashboard and the edge')
    .option('--edge-port <port>', 'where events go in', whole(0, 65_535), 8787)
    .option(
      '--core-port <port>',
      'dashboard, GraphQL and gateway',
      whole(0, 65_535),
      config.corePort,
    )
    .option('--no-demo', 'send no demo traffic')
    .option('--seed <number>', 'of the demo traffic', whole(0), 1)
    .option('--json', 'say where everything is as JSON')
    .action(async (options) => {
      const started = Date.now()
      const stopper = createStopper(terminal, options.json)
      try {
        const sluice = await startEmbedded({
          home: config.home,
          edgePort: options.edgePort,
          corePort: options.corePort,
          demo: options.demo,
          seed: options.seed,
          logLevel: config.logLevel,
          retentionDays: config.retentionDays,
          onStep: (step) => options.json || terminal.say(terminal.muted(`  ${step} …`)),
          onAlarm: (message, what) => terminal.fail(message, ALARMS[what]),
        })
        stopper.ready(sluice)
        if (options.json) terminal.json({ ...sluice.run, notes: sluice.notes })
        else sayReady(terminal, sluice, (Date.now() - started) / 1000, options.demo)
      } catch (error) {
        if (!(error instanceof AlreadyRunningError)) throw error
        if (options.json) return terminal.json(error.run)
        terminal.say(
          `Sluice is running on this folder already, since ${new Date(error.run.started_at).toLocaleString()}.`,
        )
        terminal.say(
          `  dashboard  ${terminal.accent(error.run.dashboard_url)}   ("npx sluice status" gives a sign-in link)`,
        )
        terminal.say(`  edge       ${error.run.edge_url}`)
        process.exit(0)
      }
    })
}

function sayReady(
  terminal: Terminal,
  { run, notes }: EmbeddedSluice,
  seconds: number,
  demo: boolean,
): void {
  const { say, accent, muted } = terminal
  say()
  say(`${accent('Sluice')} is ready ${muted(`(${seconds.toFixed(1)} s)`)}`)
  say()
  say(`  Dashboard  ${accent(run.login_url)}`)
  say(muted('             signs you in once, within 10 minutes; "npx sluice status" makes another'))
  say(`  Edge       ${run.edge_url}`)
  say(`  GraphQL    ${run.graphql_url}`)
  say(`  Write key  ${run.write_key}`)
  for (const note of notes) say(`  ${note}`)
  say()
  say('Send an event and see it on the chart:')
  say()
  say(curl(run.edge_url, run.write_key))
  say()
  if (demo)
    say(
      muted(
        'Demo traffic of 20 events a second goes to the tenant "demo"; "npx sluice demo stop" ends it.',
      ),
    )
  say(
    muted(
      'Real: Postgres 17, workerd, GraphQL, dashboard. Stand-ins: the log is in Postgres instead of Kafka, limits',
    ),
  )
  say(
    muted(
      "and idempotency are in the edge's memory instead of Redis. Ctrl-C stops everything in order.",
    ),
  )
}

function curl(edgeUrl: string, key: string): string {
  const body = '{"event":"page_view","user_id":"u123","page":"/pricing"}'
  return `  curl ${edgeUrl}/v1/events -H 'Authorization: Bearer ${key}' \\\n    -H 'Content-Type: application/json' -d '${body}'`
}

/** Ctrl-C drains; a second one stops at once. During the start there is nothing to drain yet. */
function createStopper(terminal: Terminal, quiet: boolean) {
  let sluice: EmbeddedSluice | undefined
  let askedAt = 0
  const ask = () => {
    const now = Date.now()
    if (askedAt > 0) {
      if (now - askedAt > ECHO_MS) atOnce()
      return
    }
    askedAt = now
    if (!quiet)
      terminal.say('\nStopping: what was accepted is written first. Ctrl-C again stops at once.')
    if (sluice) void stop(sluice)
  }
  async function stop(running: EmbeddedSluice): Promise<void> {
    try {
      await running.stop()
      process.exit(0)
    } catch (error) {
      terminal.fail((error as Error).message, 'The next start recovers by itself.')
      process.exit(1)
    }
  }
  /** Nothing is left running; Postgres recovers at the next start. */
  function atOnce(): never {
    sluice?.kill()
    process.exit(130)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask)
  return {
    ready(running: EmbeddedSluice) {
      sluice = running
      if (askedAt > 0) void stop(running)
    },
  }
}
