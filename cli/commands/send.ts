import { Command, Option } from 'commander'
import type { Config } from '../../core/config.ts'
import { createDatabase } from '../../core/db/database.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { readEventsFile, withIds } from '../events-file.ts'
import { readKeyOption } from '../key-argument.ts'
import { printSummary } from '../print-summary.ts'
import { requireRunningInstance } from '../running-instance.ts'
import { sendEvents } from '../send-events.ts'
import type { Terminal } from '../terminal.ts'

export function createSendCommand(config: Config, terminal: Terminal): Command {
  return new Command('send')
    .description('Send one event, or the events of a file')
    .argument('[name]', 'name of the event')
    .argument('[properties...]', 'properties, such as page=/pricing value=3.5')
    .option('--file <path>', 'events as .ndjson, or .json (an array or {"events":[…]})')
    .option('--historical', 'import old events; the key needs the right to')
    .option('--url <url>', 'URL of the edge (default: the running instance)')
    .option(
      '--key-file <path>',
      'file with the API key, - for standard input (default: SLUICE_KEY; without --url the write key of the running instance)',
    )
    .addOption(new Option('--key <key>', 'the API key itself').hideHelp())
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, properties: string[], options) => {
      const url = options.url ?? config.edgeUrl
      const key = readKeyOption(options, { name: 'SLUICE_KEY', value: config.key }, terminal)
      if (url && !key)
        throw new UsageError(
          `No API key was given for ${url}.`,
          'Give one with SLUICE_KEY or --key-file; the key of the running instance is not sent to other edges.',
        )
      const run = url ? undefined : requireRunningInstance(config)
      const events = options.file ? readEventsFile(options.file) : [createEvent(name, properties)]
      const progress = terminal.progress(events.length, 'events')
      // The database of the running instance tells the outcome; that of another edge is out of reach.
      const db = run ? createDatabase(run.database_url, { max: 1 }) : undefined
      const summary = await sendEvents({
        url: url ?? run?.edge_url ?? '',
        key: key ?? run?.write_key ?? '',
        historical: options.historical,
        events: withIds(events),
        db,
        onProgress: (done) => progress.update(done),
      }).finally(async () => {
        progress.end()
        await db?.destroy()
      })
      if (options.json) terminal.printJson(summary)
      else printSummary(terminal, summary)
      if (summary.rejected > 0) process.exitCode = 1
    })
}

function createEvent(
  name: string | undefined,
  properties: readonly string[],
): Record<string, unknown> {
  if (!name)
    throw new UsageError(
      'No event was given.',
      'Give a name ("npm run sluice -- send page_view page=/pricing"), or a file with --file.',
    )
  const fields = properties.map((property) => {
    const at = property.indexOf('=')
    if (at < 1)
      throw new UsageError(`"${property}" is not a valid property.`, 'Write it as name=value.')
    return [property.slice(0, at), parseValue(property.slice(at + 1))]
  })
  return { event: name, ...Object.fromEntries(fields) }
}

/** Numbers, true, false and null as JSON; anything else is a string. */
function parseValue(text: string): unknown {
  return /^(-?\d+(\.\d+)?|true|false|null)$/.test(text) ? JSON.parse(text) : text
}
