import { Command, InvalidArgumentError, Option } from 'commander'
import { DateTime } from 'luxon'
import { readTime } from '../../contract/event/time.ts'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { parseDuration, parseTime } from '../parse-options.ts'
import { chooseEndpoint } from '../query/choose-endpoint.ts'
import { printChanges, requestChanges, type Since } from '../query/explain-changes.ts'
import { metricsCsv, metricsJson, printMetrics } from '../query/metrics-report.ts'
import { type MetricsVariables, requestMetrics } from '../query/metrics-request.ts'
import type { Terminal } from '../terminal.ts'

const LAST_DAYS_MAX = 36_500
const AGGREGATES = ['count', 'uniques', 'sum', 'min', 'max', 'avg', 'p50', 'p95', 'p99']
const INTERVALS = ['minute', 'quarter-hour', 'hour', 'day', 'week', 'month', 'total']

interface Options {
  last: number
  from?: string
  to?: string
  interval?: string
  timeZone: string
  aggregate: string
  groupBy?: string[]
  filter?: { dimension: string; in: string[] }[]
  tenant?: string
  url?: string
  key?: string
  keyFile?: string
  explainSince?: string
  json?: true
  csv?: true
}

export function createQueryCommand(config: Config, terminal: Terminal): Command {
  const command = new Command('query')
    .description('Show counts and other aggregates of events over time')
    .argument('<name>', 'name of the events, or "*" for all')
  addRangeOptions(command)
  return command
    .addOption(
      new Option('--aggregate <aggregate>', 'what to show').choices(AGGREGATES).default('count'),
    )
    .option(
      '--group-by <dimensions>',
      'source, actor, session, name or properties, separated by commas',
      (text) => text.split(','),
    )
    .option('--filter <dimension=value>', 'only these events; can be repeated', addFilter)
    .addOption(
      new Option(
        '--explain-since <time>',
        'show why the result is another one than it was then: a time, or how long ago, such as 24h',
      ).conflicts('csv'),
    )
    .option('--tenant <tenant>', 'tenant (default: the one of the key)')
    .option('--url <url>', 'URL of core (default: the running instance)')
    .option(
      '--key-file <path>',
      'file with a read key, - for standard input (default: SLUICE_READ_KEY; without --url the read key of the running instance)',
    )
    .addOption(new Option('--key <key>', 'the API key itself').hideHelp())
    .addOption(new Option('--csv', 'print CSV').conflicts('json'))
    .option('--json', 'print JSON')
    .action(async (name: string, options: Options) => {
      const endpoint = chooseEndpoint(config, options, terminal)
      const variables = readVariables(name, options)
      if (options.explainSince !== undefined) {
        const since = readSince(options.explainSince, options.timeZone)
        const found = await requestChanges(endpoint, variables, since)
        return options.json ? terminal.printJson(found) : printChanges(terminal, variables, found)
      }
      const result = await requestMetrics(endpoint, variables)
      if (options.json) return terminal.printJson(metricsJson(variables, result))
      if (!options.csv) return printMetrics(terminal, variables, result)
      for (const line of metricsCsv(variables, result)) terminal.print(line)
    })
}

function addRangeOptions(command: Command): void {
  command
    .addOption(
      new Option('--last <time>', 'until now, such as 30m, 24h or 7d')
        .argParser(parseDuration(LAST_DAYS_MAX))
        .default(86_400_000, '24h'),
    )
    .addOption(
      new Option('--from <time>', 'start: a date in the time zone, or RFC 3339').conflicts('last'),
    )
    .option('--to <time>', 'end, not included (default: now)')
    .addOption(
      new Option(
        '--interval <interval>',
        'length of a bucket (default: one that suits the range)',
      ).choices(INTERVALS),
    )
    .option('--time-zone <zone>', 'such as Asia/Kathmandu', 'UTC')
}

function readVariables(name: string, options: Options): MetricsVariables {
  const { timeZone, last, from, to } = options
  const end = to === undefined ? Date.now() : readEnd('--to', to, timeZone)
  const start = from === undefined ? end - last : readEnd('--from', from, timeZone)
  return {
    name,
    startTime: new Date(start).toISOString(),
    endTime: new Date(end).toISOString(),
    timeZone,
    interval: options.interval?.toUpperCase().replace('-', '_'),
    aggregate: options.aggregate.toUpperCase(),
    groupBy: options.groupBy,
    filter: options.filter,
    tenant: options.tenant,
  }
}

/** A time as ends of the range are, with all its digits, or how long ago. */
function readSince(text: string, zone: string): Since {
  if (/^\d+\s*[smhd]$/.test(text.trim())) return { agoMs: parseDuration(LAST_DAYS_MAX)(text) }
  if (readTime(text).ok) return { at: text }
  return { at: new Date(readEnd('--explain-since', text, zone)).toISOString() }
}

/** An end of the range: a date means its midnight in the zone. @returns milliseconds since 1970 */
function readEnd(option: string, text: string, zone: string): number {
  try {
    if (!/^\d{4}-\d\d-\d\d$/.test(text)) return parseTime(text).getTime()
    const midnight = DateTime.fromISO(text, { zone })
    if (midnight.isValid) return midnight.toMillis()
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
  }
  throw new UsageError(
    `${option}: "${text}" is not a time in the time zone ${zone}.`,
    'Use a date such as 2026-11-30, or a time with its offset such as 2026-11-30T08:00:00+01:00.',
  )
}

/** Values of one dimension are alternatives; different dimensions must all match. */
function addFilter(text: string, before: Options['filter'] = []): Options['filter'] {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write it as dimension=value, such as plan=team.')
  const dimension = text.slice(0, at)
  const value = text.slice(at + 1)
  const known = before.find((filter) => filter.dimension === dimension)
  if (known) known.in.push(value)
  return known ? before : [...before, { dimension, in: [value] }]
}
