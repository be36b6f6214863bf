import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../core/config.ts'
import { createDatabase } from '../core/db/database.ts'
import { ROOT } from '../core/lib/paths.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { earthquakeEvents } from '../tools/demo/earthquakes.ts'
import { flightEvents } from '../tools/demo/flights.ts'
import { printSummary } from './print-summary.ts'
import { requireRunningInstance } from './running-instance.ts'
import { sendEvents } from './send-events.ts'
import { createTerminal } from './terminal.ts'

/**
 * `npm run import:flights` and `import:earthquakes`: sends a real data set of the package vega-datasets through the edge
 * of the running instance: 20,000 flights of 2001, or the earthquakes of one week of 2018.
 */
const DATA_SETS: Record<
  string,
  { file: string; eventsOf: (json: string) => Record<string, unknown>[] }
> = {
  flights: { file: 'flights-20k.json', eventsOf: flightEvents },
  earthquakes: { file: 'earthquakes.json', eventsOf: earthquakeEvents },
}

const config = readConfig()
const terminal = createTerminal(config.colour)
try {
  const name = process.argv[2] ?? ''
  const set = DATA_SETS[name]
  if (!set)
    throw new UsageError(
      `Unknown data set: ${name || '(none)'}.`,
      `The data sets are ${Object.keys(DATA_SETS).join(' and ')}.`,
    )
  const run = requireRunningInstance(config)
  const db = createDatabase(run.database_url, { max: 1 })
  const file = join(ROOT, 'node_modules/vega-datasets/data', set.file)
  const events = set.eventsOf(readFileSync(file, 'utf8'))
  const progress = terminal.progress(events.length, name)
  const summary = await sendEvents({
    url: run.edge_url,
    key: run.write_key,
    historical: true,
    events,
    db,
    onProgress: (done) => progress.update(done),
  }).finally(async () => {
    progress.end()
    await db.destroy()
  })
  printSummary(terminal, summary)
} catch (error) {
  const { message, hint } = error as { message: string; hint?: string }
  terminal.printError(message, hint)
  process.exitCode = 1
}
