import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { TOPICS } from '../contract/log/topics.ts'
import { type Fleet, MEMBERS, startFleet } from '../tests/lib/fleet.ts'
import { closedLoop } from './lib/load.ts'
import { cpuSeconds, residentMiB } from './lib/machine.ts'
import { table } from './lib/run-arms.ts'

/**
 * The CPU cost of each process of Sluice on Kafka and Redis: edge (workerd), gateway, two workers, broker, Redis and
 * Postgres, in CPU seconds per million events, for batches and for single events. Fails unless every event is stored
 * and rolled up once.
 */
const { values: options } = parseArgs({
  options: {
    batched: { type: 'string', default: '500000' },
    single: { type: 'string', default: '30000' },
    json: { type: 'boolean', default: false },
  },
})
const LOADS = [
  { name: 'in batches of 500', batch: 500, events: Number(options.batched), connections: 8 },
  { name: 'single events', batch: 1, events: Number(options.single), connections: 32 },
]

const fleet = await startFleet()
try {
  const key = await fleet.newTenant('bench')
  const client = new pg.Client(fleet.databaseUrl)
  await client.connect()
  const columns = new Map<string, Record<string, number>>()
  let sent = 0
  for (const load of LOADS) {
    // A warm-up, so that JIT compilation does not count.
    await send(key, { ...load, events: load.events / 10, name: `warm ${load.name}` })
    sent += load.events / 10
    await waitUntilApplied(client, sent)
    const before = cpu()
    const began = performance.now()
    await send(key, load)
    sent += load.events
    await waitUntilApplied(client, sent)
    const seconds = (performance.now() - began) / 1000
    const after = cpu()
    const perMillion = Object.entries(after).map(([name, spent]) => [
      name,
      ((spent - (before[name] ?? 0)) / load.events) * 1e6,
    ])
    columns.set(load.name, { ...Object.fromEntries(perMillion), 'events/s': load.events / seconds })
  }
  const { rows } = await client.query(
    `SELECT (SELECT count(*)::int FROM event) AS stored, (SELECT sum(count)::int FROM rollup_15m) AS rolled`,
  )
  await client.end()
  if (rows[0].stored !== sent || rows[0].rolled !== sent)
    throw new Error(`of ${sent} events ${rows[0].stored} are stored, ${rows[0].rolled} rolled up`)
  report(columns)
} finally {
  await fleet.stop()
}

type Load = (typeof LOADS)[number]

async function send(key: string, { name, batch, events, connections }: Load): Promise<void> {
  const responses = await closedLoop(
    {
      url: `${fleet.edgeUrl}/v1/events`,
      headers: { Authorization: `Bearer ${key}` },
      connections,
      body: (i) =>
        JSON.stringify({
          events: Array.from({ length: batch }, (_, n) => event(`${name} ${i * batch + n}`, i + n)),
        }),
    },
    events / batch,
  )
  const failed = responses.find(({ status }) => status !== 202)
  if (failed) throw new Error(`not accepted: ${failed.status} ${failed.body}`)
}

function event(id: string, n: number): object {
  return {
    event: `flight_${n % 12}`,
    event_id: id.replaceAll(' ', '-'),
    user_id: `plane-${n % 2_000}`,
    value: n % 300,
    distance: n % 3_000,
    carrier: 'AA',
  }
}

function cpu(): Record<string, number> {
  const of = ({ members }: Fleet) =>
    MEMBERS.map((name) => [name, cpuSeconds(members[name].pid as number)] as const)
  return Object.fromEntries(of(fleet))
}

async function waitUntilApplied(client: pg.Client, events: number): Promise<void> {
  for (let applied = 0; applied < events; await sleep(50)) {
    const { rows } = await client.query(
      'SELECT sum(next_offset)::float8 AS applied FROM log_position WHERE topic = $1',
      [TOPICS.raw.name],
    )
    applied = rows[0].applied
  }
}

function report(columns: ReadonlyMap<string, Record<string, number>>): void {
  const memory = Object.fromEntries(
    MEMBERS.map((name) => [name, residentMiB(fleet.members[name].pid as number)]),
  )
  if (options.json) {
    console.log(JSON.stringify({ ...Object.fromEntries(columns), memory }))
    return
  }
  const names = [...columns.keys()]
  const sum = (name: string) =>
    MEMBERS.reduce((total, member) => total + (columns.get(name)?.[member] ?? 0), 0)
  console.log('CPU seconds per million events')
  console.log(
    table([
      ['process', ...names, 'MiB resident'],
      ...MEMBERS.map((member) => [
        member,
        ...names.map((name) => (columns.get(name)?.[member] ?? 0).toFixed(1)),
        (memory[member] ?? 0).toFixed(0),
      ]),
      ['all', ...names.map((name) => sum(name).toFixed(0)), ''],
      ['events/s', ...names.map((name) => (columns.get(name)?.['events/s'] ?? 0).toFixed(0)), ''],
    ]),
  )
}
