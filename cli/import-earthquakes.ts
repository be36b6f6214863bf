import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../core/config.ts'
import { createDatabase } from '../core/db/database.ts'
import { ROOT } from '../core/lib/paths.ts'
import { earthquakeEvents } from '../tools/demo/earthquakes.ts'
import { printSummary } from './print-summary.ts'
import { requireRunningInstance } from './running-instance.ts'
import { sendEvents } from './send-events.ts'
import { createTerminal } from './terminal.ts'

/** `npm run import:earthquakes`: sends the earthquakes of one real week through the edge of the running instance. */
const config = readConfig()
const terminal = createTerminal(config.colour)
try {
  const run = requireRunningInstance(config)
  const db = createDatabase(run.database_url, { max: 1 })
  const file = join(ROOT, 'node_modules/vega-datasets/data/earthquakes.json')
  const events = earthquakeEvents(readFileSync(file, 'utf8'))
  const progress = terminal.progress(events.length, 'earthquakes')
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
