import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { createDatabase } from '../../core/db/database.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { readEventsFile, withIds } from '../events-file.ts'
import { requireRunningInstance } from '../running-instance.ts'
import { type Summary, sendEvents } from '../send-events.ts'
import type { Terminal } from '../terminal.ts'

export function sendCommand(config: Config, terminal: Terminal): Command {
  return new Command('send')
    .description('send one event from the shell, or a file of them')
    .argument('[name]', 'name of the event')
    .argument('[properties...]', 'such as page=/pricing value=3.5')
    .option('--file <path>', 'events as .ndjson, or .json (an array or {"events":[…]})')
    .option('--historical', 'old events: lifts the age limit, for keys that may')
    .option('--url <url>', 'of the edge (default: the one that runs here)')
    .option('--key <key>', 'API key (default, without --url: the first write key)')
    .option('--json', 'for a script')
    .action(async (name: string | undefined, properties: string[], options) => {
      const url = options.url ?? config.edgeUrl
      const key = options.key ?? config.key
      if (url && !key)
        throw new UsageError(
          `No key is known for ${url}.`,
          'Name one with --key or SLUICE_KEY; that of the Sluice which runs here stays here.',
        )
      const run = url ? undefined : requireRunningInstance(config)
      const events = options.file ? readEventsFile(options.file) : [oneEvent(name, properties)]
      const progress = terminal.progress(events.length, 'events')
      // Only of an edge that runs here is the database at hand.
      const db = run ? createDatabase(run.database_url, { max: 1 }) : undefined
      const summary = await sendEvents({
        url: url ?? run?.edge_url ?? '',
        key: key ?? run?.write_key ?? '',
        historical: options.historical,
        events: withIds(events),
        db,
        onProgress: (done) => progress.at(done),
      }).finally(async () => {
        progress.end()
        await db?.destroy()
      })
      if (options.json) terminal.json(summary)
      else saySummary(terminal, summary)
      if (summary.rejected > 0) process.exitCode = 1
    })
}

export function saySummary(terminal: Terminal, summary: Summary): void {
  const { accepted, rejected, duplicate, dead, seconds, errors } = summary
  const count = (value: number, what: string) => `${value.toLocaleString('en')} ${what}`
  const parts = [count(accepted, 'accepted'), count(rejected, 'rejected')]
  if (duplicate !== null) parts.push(count(duplicate, 'duplicate'))
  if (dead) parts.push(count(dead, dead === 1 ? 'dead letter' : 'dead letters'))
  terminal.say(`${parts.join(', ')} in ${seconds.toFixed(1)} s`)
  for (const error of errors)
    terminal.say(`  event ${error.index}: ${error.code} ${error.pointer} ${error.detail}`)
}

function oneEvent(
  name: string | undefined,
  properties: readonly string[],
): Record<string, unknown> {
  if (!name)
    throw Object.assign(new Error('Nothing to send.'), {
      hint: 'Name an event ("npx sluice send page_view page=/pricing"), or a file with --file.',
    })
  const fields = properties.map((property) => {
    const at = property.indexOf('=')
    if (at < 1)
      throw Object.assign(new Error(`"${property}" is no property.`), { hint: 'Write name=value.' })
    return [property.slice(0, at), readValue(property.slice(at + 1))]
  })
  return { event: name, ...Object.fromEntries(fields) }
}

/** Numbers, true, false and null as such; anything else is a string. */
function readValue(text: string): unknown {
  return /^(-?\d+(\.\d+)?|true|false|null)$/.test(text) ? JSON.parse(text) : text
}
