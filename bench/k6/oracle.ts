import { setTimeout as sleep } from 'node:timers/promises'
import { TOPICS } from '../../contract/log/topics.ts'
import { askGraphQL } from '../../tests/lib/sluice.ts'
import { type Mix, plan } from './mix.ts'
import type { System, Tenant } from './system.ts'

/** The outcome of the first `requests` of a mix for one tenant, as planned or as the system reports it. */
export interface Counts {
  /** Events in the log: stored, duplicates and dead letters. */
  accepted: number
  rejected: number
  /** Accepted events with a warning that they become dead letters. */
  warned: number
  stored: number
  duplicates: number
  dead: number
  /** By event name. */
  count: Record<string, number>
  sum: Record<string, number>
}

export interface Expected extends Counts {
  /** Ids that must be stored, and that must not. */
  found: string[]
  absent: string[]
}

const SAMPLES = 25
const DRAIN_MS_MAX = 120_000
const RESULT_MS_MAX = 20_000

/** Repeats the plan and adds up the expected counts of each tenant. */
export function expectedOf(mix: Mix, requests: number): Expected[] {
  const all = Array.from({ length: mix.tenants }, () => ({
    ...empty(),
    found: [] as string[],
    absent: [] as string[],
    ids: new Set<string>(),
  }))
  for (let i = 0; i < requests; i++) {
    const { tenant, replay, accepted, rejected, warned, statuses, events, kind } = plan(mix, i)
    const counts = all[tenant] as (typeof all)[number]
    if (replay) continue
    const isProcessed = statuses.some((status) => status < 300 || status === 422)
    if (isProcessed) counts.rejected += rejected
    if (statuses.some((status) => status < 300)) counts.accepted += accepted
    counts.warned += warned
    for (const { id, name, value, outcome } of events) {
      if (outcome === 'dead') counts.dead++
      if (outcome !== 'counted' && id !== undefined) counts.absent.push(id)
      if (outcome !== 'counted') continue
      if (id !== undefined && counts.ids.has(id)) {
        counts.duplicates++
        continue
      }
      if (id !== undefined) counts.ids.add(id)
      if (kind === 'single' || kind === 'batch') counts.found.push(id as string)
      counts.stored++
      counts.count[name] = (counts.count[name] ?? 0) + 1
      counts.sum[name] = (counts.sum[name] ?? 0) + value
    }
  }
  return all.map(({ ids, found, absent, ...counts }) => ({
    ...counts,
    found: sample(found, SAMPLES),
    absent: sample(absent, SAMPLES),
  }))
}

/** Compares GraphQL, for each tenant, and /metrics with the plan. @returns one sentence for each error */
export async function checkResults(
  system: System,
  { mix, expected, before }: { mix: Mix; expected: readonly Expected[]; before: Metrics },
): Promise<{ counts: Counts[]; errors: string[] }> {
  const faults: string[] = []
  const inLog = sum(expected, ({ accepted }) => accepted)
  const after = await waitUntilDrained(system, before.accepted + inLog)
  if (after.lag > 0) faults.push(`${after.lag} records of the log are not written yet`)
  const counts: Counts[] = []
  for (const [t, tenant] of system.tenants.entries()) {
    const planned = expected[t] as Expected
    const { found, absent, ...plain } = planned
    const deadline = Date.now() + RESULT_MS_MAX
    let reported = await queryTotals(system, tenant, mix)
    // A result may be some seconds old where results are cached.
    while (findDifferences(plain, reported).length > 0 && Date.now() < deadline) {
      await sleep(1_000)
      reported = await queryTotals(system, tenant, mix)
    }
    counts.push({ ...plain, ...reported })
    faults.push(...findDifferences(plain, reported).map((fault) => `${tenant.name}: ${fault}`))
    for (const [ids, isExpected] of [[found, true] as const, [absent, false] as const])
      for (const id of ids)
        if ((await isStored(system, tenant, id)) !== isExpected)
          faults.push(
            `${tenant.name}: event ${id} is ${isExpected ? 'missing' : 'stored unexpectedly'}`,
          )
  }
  // The totals of the system can be compared only where no one else sends events.
  if (system.isExclusive) {
    const of = (key: 'stored' | 'duplicates' | 'dead') => sum(expected, (counts) => counts[key])
    for (const [what, is, was, grown] of [
      ['accepted', after.accepted, before.accepted, inLog],
      ['stored', after.stored, before.stored, of('stored')],
      ['duplicate', after.duplicates, before.duplicates, of('duplicates')],
      ['dead', after.dead, before.dead, of('dead')],
    ] as const)
      if (is - was !== grown)
        faults.push(`/metrics: ${what} grew by ${is - was} instead of ${grown}`)
  }
  return { counts, errors: faults }
}

type Totals = Pick<Counts, 'stored' | 'duplicates' | 'dead' | 'count' | 'sum'>

async function queryTotals(system: System, tenant: Tenant, { baseMs }: Mix): Promise<Totals> {
  const range = {
    from: new Date(baseMs - 2 * 3_600_000).toISOString(),
    to: new Date(Date.now() + 60_000).toISOString(),
  }
  const { totals, sums } = await askGraphQL<{
    totals: {
      count: number
      duplicates: number
      conflicting: number
      deadLetters: number
      names: { name: string; count: number }[]
    }
    sums: { value: number; dimensions: { name: string } }[]
  }>(
    { graphql_url: system.graphqlUrl, read_key: tenant.readKey },
    `query ($from: DateTime!, $to: DateTime!) {
      totals(startTime: $from, endTime: $to, names: 20) {
        count duplicates conflicting deadLetters names { name count }
      }
      sums: metrics(name: "*", startTime: $from, endTime: $to, interval: TOTAL, aggregate: SUM, groupBy: ["name"]) {
        value dimensions
      }
    }`,
    range,
  )
  return {
    stored: totals.count,
    duplicates: totals.duplicates + totals.conflicting,
    dead: totals.deadLetters,
    count: Object.fromEntries(totals.names.map(({ name, count }) => [name, count])),
    sum: Object.fromEntries(sums.map(({ dimensions, value }) => [dimensions.name, value])),
  }
}

function findDifferences(planned: Totals, reported: Totals): string[] {
  const errors: string[] = []
  for (const key of ['stored', 'duplicates', 'dead'] as const)
    if (reported[key] !== planned[key])
      errors.push(`${reported[key]} ${key} instead of ${planned[key]}`)
  for (const key of ['count', 'sum'] as const)
    for (const name of new Set([...Object.keys(planned[key]), ...Object.keys(reported[key])]))
      if ((reported[key][name] ?? 0) !== (planned[key][name] ?? 0))
        errors.push(
          `the ${key} of ${name} is ${reported[key][name]} instead of ${planned[key][name]}`,
        )
  return errors
}

async function isStored(system: System, tenant: Tenant, id: string): Promise<boolean> {
  const { event } = await askGraphQL<{ event: { id: string } | null }>(
    { graphql_url: system.graphqlUrl, read_key: tenant.readKey },
    'query ($id: ID!) { event(id: $id) { id } }',
    { id },
  )
  return event?.id === id
}

/** Totals from /metrics. */
export interface Metrics {
  accepted: number
  lag: number
  stored: number
  duplicates: number
  dead: number
}

/** @throws when core does not respond, or one of its parts is down */
export async function readMetrics({ coreUrl }: Pick<System, 'coreUrl'>): Promise<Metrics> {
  const response = await fetch(`${coreUrl}/metrics`, { signal: AbortSignal.timeout(10_000) })
  const text = await response.text()
  const added = (name: string, label = '') =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && line.includes(label))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0)
  for (const part of ['postgres', 'log'])
    if (added('sluice_up', `part="${part}"`) !== 1) throw new Error(`/metrics: ${part} is down`)
  return {
    accepted: added('sluice_events_accepted_total'),
    lag: added('sluice_log_lag_records', `topic="${TOPICS.raw.name}"`),
    stored: added('sluice_events_total', 'outcome="stored"'),
    duplicates:
      added('sluice_events_total', 'outcome="duplicate"') +
      added('sluice_events_total', 'outcome="conflicting"'),
    dead: added('sluice_events_total', 'outcome="dead"'),
  }
}

/** Waits until the worker has processed everything. */
async function waitUntilDrained(system: System, acceptedMin: number): Promise<Metrics> {
  const deadline = Date.now() + DRAIN_MS_MAX
  for (;;) {
    const metrics = await readMetrics(system)
    if ((metrics.lag === 0 && metrics.accepted >= acceptedMin) || Date.now() > deadline)
      return metrics
    await sleep(250)
  }
}

function empty(): Counts {
  const zero = { accepted: 0, rejected: 0, warned: 0, stored: 0, duplicates: 0, dead: 0 }
  return { ...zero, count: {}, sum: {} }
}

function sample<T>(items: readonly T[], most: number): T[] {
  const step = Math.max(1, items.length / most)
  return Array.from(
    { length: Math.min(items.length, most) },
    (_, n) => items[Math.floor(n * step)] as T,
  )
}

export function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}
