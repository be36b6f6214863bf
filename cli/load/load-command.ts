import { Command, InvalidArgumentError, Option } from 'commander'
import { LIMITS } from '../../contract/limits.ts'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { formatCount } from '../format.ts'
import { readKeyOption } from '../key-argument.ts'
import { parseWholeNumber } from '../parse-options.ts'
import { requireRunningInstance } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { type LoadProgress, type LoadSummary, runLoad } from './load.ts'

const MINUTES_MAX = 24 * 60
const RPS_MAX = 20_000
const TENANTS_MAX = 100
const IN_FLIGHT_DEFAULT = 200
const IN_FLIGHT_MAX = 2_000
const IDLE_MS_MAX = 60_000
const UNLIMITED = 1_000_000_000

/** `sluice load` */
export function createLoadCommand(config: Config, terminal: Terminal): Command {
  return new Command('load')
    .description('Send events at a constant rate, then check that every number is exact')
    .option('--url <url>', 'URL of the edge (default: the running instance)')
    .option('--core-url <url>', 'URL of core, to check the numbers of GraphQL too')
    .option('--rps <rate>', 'requests a second, whatever the responses do', parseRate(RPS_MAX), 100)
    .option('--minutes <minutes>', 'for how long', parseRate(MINUTES_MAX), 1)
    .option('--bursts', 'ten times the rate for three seconds of every minute', false)
    .option(
      '--batch <events>',
      'events in a request',
      parseWholeNumber(1, LIMITS.batchEventsMax),
      1,
    )
    .option('--tenants <count>', 'tenants to create', parseWholeNumber(1, TENANTS_MAX), 1)
    .option('--duplicate-rate <share>', 'share of events sent before', parseShare, 0.01)
    .option(
      '--bad-rate <share>',
      'share of bad events: half are rejected, half become dead letters',
      parseShare,
      0.01,
    )
    .option(
      '--events-per-minute <count>',
      'rate limit of each tenant (default: none)',
      parseWholeNumber(1, UNLIMITED),
    )
    .option(
      '--in-flight <requests>',
      'requests in flight; what is due beyond that is dropped',
      parseWholeNumber(1, IN_FLIGHT_MAX),
      IN_FLIGHT_DEFAULT,
    )
    .option(
      '--key-file <path>',
      'file with an API key, - for standard input (default: SLUICE_KEY), for an edge whose database is out of reach',
    )
    .addOption(new Option('--key <key>', 'the API key itself').hideHelp())
    .option('--json', 'print JSON')
    .action(async (options) => {
      const target = findTarget(config, options, () =>
        readKeyOption(options, { name: 'SLUICE_KEY', value: config.key }, terminal),
      )
      const stop = new AbortController()
      const onInterrupt = () => stop.abort()
      process.once('SIGINT', onInterrupt)
      const summary = await runLoad({
        ...target,
        ...options,
        tenants: target.databaseUrl ? options.tenants : 1,
        eventsPerMinute: options.eventsPerMinute ?? UNLIMITED,
        inFlightMax: options.inFlight,
        idleMsMax: IDLE_MS_MAX,
        signal: stop.signal,
        onProgress: (progress) => options.json || printProgress(terminal, progress),
      }).finally(() => process.off('SIGINT', onInterrupt))
      if (options.json) terminal.printJson(summary)
      else printSummary(terminal, summary)
      if (summary.faults.length > 0) process.exitCode = 1
    })
}

/** The running instance; or an edge and its database; or an edge and a key, and then nothing is checked. */
function findTarget(
  config: Config,
  options: { url?: string; coreUrl?: string },
  readKey: () => string | undefined,
) {
  const edgeUrl = options.url ?? config.edgeUrl
  if (!edgeUrl) {
    const run = requireRunningInstance(config)
    return {
      edgeUrl: run.edge_url,
      databaseUrl: run.database_url,
      graphqlUrl: run.graphql_url,
      key: undefined,
    }
  }
  const { databaseUrl } = config
  const key = databaseUrl ? undefined : readKey()
  if (!databaseUrl && !key)
    throw new UsageError(
      `Neither DATABASE_URL nor an API key was given for ${edgeUrl}.`,
      'With DATABASE_URL the test creates tenants and checks their numbers; with SLUICE_KEY or --key-file it only sends.',
    )
  const graphqlUrl = options.coreUrl && `${options.coreUrl.replace(/\/+$/, '')}/graphql`
  return { edgeUrl, databaseUrl, graphqlUrl, key }
}

function printProgress(terminal: Terminal, progress: LoadProgress): void {
  const { seconds, requests, dropped, counts, p95Ms } = progress
  const parts = [
    `${formatCount(requests)} requests`,
    `${formatCount(counts.accepted)} accepted`,
    `${formatCount(counts.limited)} limited`,
    `${formatCount(counts.refused)} refused`,
    `${formatCount(counts.errors)} errors`,
    `${formatCount(dropped)} dropped`,
  ]
  terminal.print(
    terminal.muted(
      `${seconds.toFixed(0).padStart(4)} s  ${parts.join(', ')}, p95 ${p95Ms.toFixed(1)} ms`,
    ),
  )
}

function printSummary(terminal: Terminal, summary: LoadSummary): void {
  const { seconds, requests, dropped, latency, events, tenants, faults } = summary
  const { p50Ms, p95Ms, p99Ms, maxMs } = latency
  terminal.print(
    `${formatCount(requests)} requests in ${seconds.toFixed(1)} s (${(requests / seconds).toFixed(1)}/s); ${formatCount(dropped)} more were due but dropped`,
  )
  terminal.print(
    `response times p50 / p95 / p99 / max: ${[p50Ms, p95Ms, p99Ms, maxMs].map((ms) => ms.toFixed(1)).join(' / ')} ms`,
  )
  terminal.printTable(
    ['sent', 'accepted', 'duplicate', 'limited', 'refused', 'errors'],
    [
      [
        events.sent,
        events.accepted,
        events.duplicates,
        events.limited,
        events.refused,
        events.errors,
      ].map(formatCount),
    ],
  )
  if (summary.firstFailure) terminal.printText(`first failure: ${summary.firstFailure}`)
  if (summary.isExact === null)
    terminal.print('The numbers were not checked: set DATABASE_URL for that.')
  else printNumbers(terminal, tenants)
  for (const fault of faults) terminal.print(`✗ ${fault}`)
  if (summary.isExact)
    terminal.print(
      events.errors > 0
        ? `The numbers are within what ${formatCount(events.errors)} events without a clear response allow.`
        : 'Every number is exact.',
    )
}

function printNumbers(terminal: Terminal, tenants: LoadSummary['tenants']): void {
  terminal.print()
  terminal.printTable(
    ['tenant', 'stored', 'duplicates', 'dead letters', 'in rollups', 'GraphQL'],
    tenants.map(({ tenant, rows, rolledUp, graphql }) => [
      tenant,
      ...[rows.stored, rows.duplicates, rows.dead, rolledUp].map(formatCount),
      graphql ? formatCount(graphql.stored) : 'not queried',
    ]),
  )
}

function parseRate(max: number) {
  return (text: string): number => {
    const value = Number(text)
    if (!(value > 0 && value <= max))
      throw new InvalidArgumentError(`Use a number above 0, at most ${max}.`)
    return value
  }
}

function parseShare(text: string): number {
  const value = Number(text)
  if (!(value >= 0 && value <= 0.5)) throw new InvalidArgumentError('Use a share from 0 to 0.5.')
  return value
}
