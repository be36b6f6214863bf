import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import type { Database } from '../../core/db/database.ts'
import { type TenantViewer, tenantViewer } from '../../core/identity/viewer.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { declareMetric, retireMetric } from '../../core/metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../core/metrics/metric-definition.ts'
import { type ListedMetric, metricDefinitions } from '../../core/queries/metric-definitions.ts'
import { formatCount } from '../format.ts'
import { parseWholeNumber } from '../parse-options.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { CLI, withIdentity } from '../with-identity.ts'

const POLL_MS = 300
const WAIT_S_MAX = 86_400

export function createMetricCommand(config: Config, terminal: Terminal): Command {
  const metric = new Command('metric').description(
    'Declare metrics: numbers by dimensions, counted as events are stored',
  )
  metric.addCommand(createDeclareCommand(config, terminal))
  metric.addCommand(createListCommand(config, terminal))
  metric.addCommand(createShowCommand(config, terminal))
  metric.addCommand(createRetireCommand(config, terminal))
  return metric
}

function createDeclareCommand(config: Config, terminal: Terminal): Command {
  return new Command('declare')
    .argument('<name>', 'name of the metric')
    .description('Declare a metric, or change it; its history is counted from the events')
    .option('--event, --events <names...>', 'names of the events that it counts (default: all)')
    .option('--filter, --filters <dimension=value...>', 'count only events with this value')
    .option('--value <path>', 'the number that is added up: value, or a property by its path')
    .option('--dimension, --dimensions <paths...>', 'source, actor, session, name, or a property')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option(
      '--wait <seconds>',
      'how long to wait for its history',
      parseWholeNumber(0, WAIT_S_MAX),
      60,
    )
    .option('--json', 'print JSON')
    .action((name: string, options) =>
      withIdentity(config, async (db, recordChange) => {
        const definition = parseMetricDefinition({
          name,
          ...(options.events && { events: options.events }),
          ...(options.filters && { filter: readFilters(options.filters) }),
          ...(options.value && { value: options.value }),
          ...(options.dimensions && { dimensions: options.dimensions }),
        })
        const viewer = await tenantViewer(db, { kind: 'SESSION' }, options.tenant)
        const { activated, version } = await declareMetric(db, viewer.tenantId, definition, CLI)
        if (activated)
          recordChange({
            name: 'metric-declared',
            tenant: viewer.tenant,
            detail: `${definition.name}, version ${version}`,
          })
        const listed = await waitForHistory(db, viewer, definition.name, terminal, options.wait)
        if (options.json) return terminal.printJson(toJson(listed))
        terminal.print(describe(listed))
        terminal.print(
          `Query it: npm run sluice -- query ${JSON.stringify(listed.name)} --last 24h`,
        )
      }),
    )
}

function createListCommand(config: Config, terminal: Terminal): Command {
  return new Command('list')
    .description('List declared metrics')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const viewer = await tenantViewer(db, { kind: 'SESSION' }, options.tenant)
        const { rows } = await metricDefinitions(db, viewer, {})
        if (options.json) return terminal.printJson(rows.map(toJson))
        if (rows.length === 0) return terminal.print('No metrics are declared.')
        terminal.printTable(
          ['Name', 'Version', 'Events', 'Filter', 'Value', 'Dimensions', 'History'],
          rows.map((metric) => [
            metric.name,
            String(metric.version),
            metric.events?.join(', ') ?? '*',
            filterText(metric),
            metric.value,
            metric.dimensions.join(', '),
            historyText(metric),
          ]),
        )
      }),
    )
}

function createShowCommand(config: Config, terminal: Terminal): Command {
  return new Command('show')
    .argument('<name>', 'name of the metric')
    .description('Show a metric and how far its history is counted')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((name: string, options) =>
      withDatabase(config, async (db) => {
        const viewer = await tenantViewer(db, { kind: 'SESSION' }, options.tenant)
        const metric = await findMetric(db, viewer, name)
        if (options.json) return terminal.printJson(toJson(metric))
        terminal.printTable(
          ['Field', 'Value'],
          [
            ['name', metric.name],
            ['version', String(metric.version)],
            ['events', metric.events?.join(', ') ?? '*'],
            ['filter', filterText(metric)],
            ['value', metric.value],
            ['dimensions', metric.dimensions.join(', ')],
            ['series', formatCount(metric.series)],
            ['activated', metric.activatedAt],
            ['history', historyText(metric)],
            ['complete since', metric.completeSince ?? 'the first event'],
          ],
        )
      }),
    )
}

function createRetireCommand(config: Config, terminal: Terminal): Command {
  return new Command('retire')
    .argument('<name>', 'name of the metric')
    .description('Remove a metric; it counts nothing any more, and its name is free')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((name: string, options) =>
      withIdentity(config, async (db, recordChange) => {
        const viewer = await tenantViewer(db, { kind: 'SESSION' }, options.tenant)
        const metric = await findMetric(db, viewer, name)
        await retireMetric(db, viewer.tenantId, metric.name, CLI)
        recordChange({
          name: 'metric-retired',
          tenant: viewer.tenant,
          detail: `${metric.name}, version ${metric.version}`,
        })
        if (options.json) return terminal.printJson({ name: metric.name, state: 'retired' })
        terminal.print(`Removed the metric ${metric.name}.`)
      }),
    )
}

async function findMetric(db: Database, viewer: TenantViewer, name: string): Promise<ListedMetric> {
  const { rows } = await metricDefinitions(db, viewer, { name })
  if (rows[0]) return rows[0]
  throw new UsageError(
    `The metric "${name}" is not declared.`,
    '"npm run sluice -- metric list" shows all metrics.',
  )
}

/** Workers count it; without one nothing moves. */
async function waitForHistory(
  db: Database,
  viewer: TenantViewer,
  name: string,
  terminal: Terminal,
  waitS: number,
): Promise<ListedMetric> {
  const deadline = Date.now() + waitS * 1000
  let metric = await findMetric(db, viewer, name)
  const progress = terminal.progress(metric.backfill.daysTotal, 'days')
  while (metric.state === 'BACKFILLING' && Date.now() < deadline) {
    progress.update(metric.backfill.daysDone)
    await sleep(POLL_MS)
    metric = await findMetric(db, viewer, name)
  }
  progress.end()
  return metric
}

function readFilters(filters: readonly string[]): Record<string, string[]> {
  const values = new Map<string, string[]>()
  for (const filter of filters) {
    const at = filter.indexOf('=')
    if (at < 1)
      throw new UsageError(
        `The filter "${filter}" is not of the form dimension=value.`,
        'Such as --filter plan=pro.',
      )
    const dimension = filter.slice(0, at)
    values.set(dimension, [...(values.get(dimension) ?? []), filter.slice(at + 1)])
  }
  return Object.fromEntries(values)
}

function filterText({ filters }: ListedMetric): string {
  return filters.map((filter) => `${filter.dimension}=${filter.in.join('|')}`).join(' ')
}

function historyText({ state, backfill: { daysDone, daysTotal, events } }: ListedMetric): string {
  const counted = `${formatCount(events)} events`
  return state === 'ACTIVE' ? counted : `${counted}, ${daysDone} of ${daysTotal} days`
}

function describe(metric: ListedMetric): string {
  const { name, version, state, backfill } = metric
  return state === 'ACTIVE'
    ? `${name}, version ${version}: its history is counted, ${formatCount(backfill.events)} events.`
    : `${name}, version ${version}: new events are counted; of its history ${backfill.daysDone} of ${backfill.daysTotal} days are.`
}

function toJson(metric: ListedMetric) {
  const { name, version, events, filters, value, dimensions, backfill } = metric
  return {
    name,
    version,
    events: events ?? '*',
    filter: Object.fromEntries(filters.map((filter) => [filter.dimension, filter.in])),
    value,
    dimensions,
    state: metric.state.toLowerCase(),
    activated_at: metric.activatedAt,
    series: metric.series,
    backfill: {
      days_total: backfill.daysTotal,
      days_done: backfill.daysDone,
      events: backfill.events,
      complete_since: metric.completeSince,
    },
  }
}
