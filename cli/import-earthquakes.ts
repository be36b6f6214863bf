import { readFileSync } from 'node:fs'
import { readConfig } from '../core/config.ts'
import { createDatabase } from '../core/db/database.ts'
import { earthquakeEvents } from '../tools/demo/earthquakes.ts'
import { saySummary } from './commands/send.ts'
import { requireRunningInstance } from './running-instance.ts'
import { sendEvents } from './send-events.ts'
import { createTerminal } from './terminal.ts'

/** `npm run import:earthquakes`: one real week of them, through the edge that runs here. */
const config = readConfig()
const terminal = createTerminal(config.colour)
try {
  const run = requireRunningInstance(config)
  const db = createDatabase(run.database_url, { max: 1 })
  const file = new URL('../../node_modules/vega-datasets/data/earthquakes.json', import.meta.url)
  const events = earthquakeEvents(readFileSync(file, 'utf8'))
  const progress = terminal.progress(events.length, 'earthquakes')
  const summary = await sendEvents({
    url: run.edge_url,
    key: run.write_key,
    historical: true,
    events,
    db,
    onProgress: (done) => progress.at(done),
  }).finally(async () => {
    progress.end()
    await db.destroy()
  })
  saySummary(terminal, summary)
} catch (error) {
  const { message, hint } = error as { message: string; hint?: string }
  terminal.fail(message, hint)
  process.exitCode = 1
}
