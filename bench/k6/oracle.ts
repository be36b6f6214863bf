import { setTimeout as sleep } from 'node:timers/promises'
import { TOPICS } from '../../contract/log/topics.ts'
import { askGraphQL } from '../../tests/lib/sluice.ts'
import { type Mix, plan } from './mix.ts'
import type { System, Tenant } from './system.ts'

/** What must have become of the first `requests` of a mix, or what the system says has; of one tenant. */
export interface Counts {
  /** In the log: stored, duplicates and dead letters. */
  accepted: number
  rejected: number
  /** Of those accepted, the ones whose sender heard that they would be dead letters. */
  warned: number
  stored: number
  duplicates: number
  dead: number
  /** By event name. */
  count: Record<string, number>
  sum: Record<string, number>
}

export interface Expected extends Counts {
  /** Ids that must be found again, and that must not. */
  found: string[]
  absent: string[]
}

const SAMPLES = 25
const DRAIN_MS_MAX = 120_000
const ANSWER_MS_MAX = 20_000

/** Plans everything again and adds up, tenant by tenant. */
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
    const heard = statuses.some((status) => status < 300 || status === 422)
    if (heard) counts.rejected += rejected
    if (statuses.some((status) => status < 300)) counts.accepted += accepted
    counts.warned += warned
    for (const { id, name, value, fate } of events) {
      if (fate === 'dead') counts.dead++
      if (fate !== 'counted' && id !== undefined) counts.absent.push(id)
      if (fate !== 'counted') continue
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
    found: spread(found, SAMPLES),
    absent: spread(absent, SAMPLES),
  }))
}

/** Asks GraphQL, as each tenant, and /metrics what has become of everything. @returns one sentence a fault */
export async function judge(
  system: System,
  { mix, expected, before }: { mix: Mix; expected: readonly Expected[]; before: Metrics },
): Promise<{ counts: Counts[]; faults: string[] }> {
  const faults: string[] = []
  const inLog = sum(expected, ({ accepted }) => accepted)
  const after = await drained(system, before.accepted + inLog)
  if (after.lag > 0) faults.push(`${after.lag} records of the log are still not written`)
  const counts: Counts[] = []
  for (const [t, tenant] of system.tenants.entries()) {
    const wanted = expected[t] as Expected
    const { found, absent, ...plain } = wanted
    const deadline = Date.now() + ANSWER_MS_MAX
    let said = await ask(system, tenant, mix)
    // An answer may be some seconds old where answers are kept.
    while (differences(plain, said).length > 0 && Date.now() < deadline) {
      await sleep(1_000)
      said = await ask(system, tenant, mix)
    }
    counts.push({ ...plain, ...said })
    faults.push(...differences(plain, said).map((fault) => `${tenant.name}: ${fault}`))
    for (const [ids, there] of [[found, true] as const, [absent, false] as const])
      for (const id of ids)
        if ((await isThere(system, tenant, id)) !== there)
          faults.push(`${tenant.name}: event ${id} is ${there ? 'missing' : 'there'}`)
  }
  // What everybody sent together can be held to ours only where nobody else sends.
  if (system.ours) {
    const of = (key: 'stored' | 'duplicates' | 'dead') => sum(expected, (each) => each[key])
    for (const [what, is, was, grown] of [
      ['accepted', after.accepted, before.accepted, inLog],
      ['stored', after.stored, before.stored, of('stored')],
      ['duplicate', after.duplicates, before.duplicates, of('duplicates')],
      ['dead', after.dead, before.dead, of('dead')],
    ] as const)
      if (is - was !== grown)
        faults.push(`/metrics: ${what} rose by ${is - was}, and ought to by ${grown}`)
  }
  return { counts, faults }
}

type Told = Pick<Counts, 'stored' | 'duplicates' | 'dead' | 'count' | 'sum'>

async function ask(system: System, tenant: Tenant, { baseMs }: Mix): Promise<Told> {
  const range = {
    from: new Date(baseMs - 2 * 3_600_000).toISOString(),
    to: new Date(Date.now() + 60_000).toISOString(),
  }
  const { totals, sums } = await askGraphQL<{
    totals: {
      count: number
      duplicates: number
      deadLetters: number
      names: { name: string; count: number }[]
    }
    sums: { value: number; dimensions: { name: string } }[]
  }>(
    { graphql_url: system.graphqlUrl, read_key: tenant.readKey },
    `query ($from: DateTime!, $to: DateTime!) {
      totals(startTime: $from, endTime: $to, names: 20) {
        count duplicates deadLetters names { name count }
      }
      sums: metrics(name: "*", startTime: $from, endTime: $to, interval: TOTAL, aggregate: SUM, groupBy: ["name"]) {
        value dimensions
      }
    }`,
    range,
  )
  return {
    stored: totals.count,
    duplicates: totals.duplicates,
    dead: totals.deadLetters,
    count: Object.fromEntries(totals.names.map(({ name, count }) => [name, count])),
    sum: Object.fromEntries(sums.map(({ dimensions, value }) => [dimensions.name, value])),
  }
}

function differences(wanted: Told, said: Told): string[] {
  const faults: string[] = []
  for (const key of ['stored', 'duplicates', 'dead'] as const)
    if (said[key] !== wanted[key])
      faults.push(`${said[key]} ${key}, and ought to be ${wanted[key]}`)
  for (const key of ['count', 'sum'] as const)
    for (const name of new Set([...Object.keys(wanted[key]), ...Object.keys(said[key])]))
      if ((said[key][name] ?? 0) !== (wanted[key][name] ?? 0))
        faults.push(
          `the ${key} of ${name} is ${said[key][name]}, and ought to be ${wanted[key][name]}`,
        )
  return faults
}

async function isThere(system: System, tenant: Tenant, id: string): Promise<boolean> {
  const { event } = await askGraphQL<{ event: { id: string } | null }>(
    { graphql_url: system.graphqlUrl, read_key: tenant.readKey },
    'query ($id: ID!) { event(id: $id) { id } }',
    { id },
  )
  return event?.id === id
}

/** Of /metrics. */
export interface Metrics {
  accepted: number
  lag: number
  stored: number
  duplicates: number
  dead: number
}

/** @throws when core does not answer, or one of its parts did not */
export async function readMetrics({ coreUrl }: Pick<System, 'coreUrl'>): Promise<Metrics> {
  const response = await fetch(`${coreUrl}/metrics`, { signal: AbortSignal.timeout(10_000) })
  const text = await response.text()
  const added = (name: string, label = '') =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && line.includes(label))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0)
  for (const part of ['postgres', 'log'])
    if (added('sluice_up', `part="${part}"`) !== 1)
      throw new Error(`/metrics: ${part} did not answer`)
  return {
    accepted: added('sluice_events_accepted_total'),
    lag: added('sluice_log_lag_records', `topic="${TOPICS.raw.name}"`),
    stored: added('sluice_events_total', 'outcome="stored"'),
    duplicates: added('sluice_events_total', 'outcome="duplicate"'),
    dead: added('sluice_events_total', 'outcome="dead"'),
  }
}

/** Until the worker has been past everything. */
async function drained(system: System, acceptedMin: number): Promise<Metrics> {
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

function spread<T>(items: readonly T[], most: number): T[] {
  const step = Math.max(1, items.length / most)
  return Array.from(
    { length: Math.min(items.length, most) },
    (_, n) => items[Math.floor(n * step)] as T,
  )
}

export function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}
