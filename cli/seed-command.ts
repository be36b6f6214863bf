import { Command } from 'commander'
import type { Config } from '../core/config.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { formatCount } from './format.ts'
import { parseWholeNumber } from './parse-options.ts'
import { requireRunningInstance } from './running-instance.ts'
import { type SeedSummary, seed } from './seed.ts'
import type { Terminal } from './terminal.ts'

const EVENTS_DEFAULT = 100_000
const EVENTS_MAX = 5_000_000
const DAYS_DEFAULT = 30
const DAYS_MAX = 365

/** `sluice demo seed`, and `npm run db:seed`. */
export function createSeedCommand(config: Config, terminal: Terminal): Command {
  return new Command('seed')
    .description('Send a month of demo data through the edge, then recount it')
    .option('--tenant <tenant>', 'tenant; it is created if it does not exist', 'demo')
    .option(
      '--events <events>',
      `events to send (default: ${EVENTS_DEFAULT})`,
      parseWholeNumber(100, EVENTS_MAX),
    )
    .option('--days <days>', `up to now (default: ${DAYS_DEFAULT})`, parseWholeNumber(2, DAYS_MAX))
    .option('--seed <seed>', 'the same seed gives the same events', parseWholeNumber(0), 1)
    .option('--json', 'print JSON')
    .action(async ({ events = EVENTS_DEFAULT, days = DAYS_DEFAULT, ...options }) => {
      const run = config.edgeUrl && config.databaseUrl ? undefined : requireRunningInstance(config)
      const progress = terminal.progress(events, 'events')
      const summary = await seed({
        edgeUrl: config.edgeUrl ?? run?.edge_url ?? '',
        databaseUrl: config.databaseUrl ?? run?.database_url ?? '',
        tenant: options.tenant,
        seed: options.seed,
        events,
        days,
        onProgress: (done) => progress.update(Math.min(done, events)),
      }).finally(() => progress.end())
      if (options.json) terminal.printJson(summary)
      else printSeedSummary(terminal, summary)
      if (!summary.isComplete)
        throw new UsageError(
          'The recount differs from what was sent.',
          '"npm run sluice -- dead-letters list" and "npm run sluice -- lag" show more.',
        )
    })
}

function printSeedSummary(terminal: Terminal, summary: SeedSummary): void {
  const { tenant, from, until, sent, stored, duplicates, dead, seconds } = summary
  terminal.print(
    `${formatCount(sent)} events of ${from.slice(0, 10)} to ${until.slice(0, 10)} sent for the tenant ${tenant} in ${seconds.toFixed(1)} s`,
  )
  terminal.print(
    `= ${formatCount(stored)} stored + ${formatCount(duplicates)} duplicates + ${formatCount(dead)} dead letters`,
  )
  for (const [reason, count] of Object.entries(summary.deadByReason).sort((a, b) => b[1] - a[1]))
    terminal.print(terminal.muted(`  ${formatCount(count)} ${reason}`))
  if (summary.isRepeated)
    terminal.print('These data were sent before: nothing is counted twice. --seed chooses others.')
}
