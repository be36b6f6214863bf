import { parseArgs } from 'node:util'
import pg from 'pg'
import { askGraphQL, createTestHome, type TestSluice } from '../tests/lib/sluice.ts'
import { closedLoop, openLoop, percentile, type SentRequest } from './lib/load.ts'
import { cpuSeconds, residentMiB } from './lib/machine.ts'
import { table } from './lib/run-arms.ts'

/**
 * The whole system on this machine, as `npm start` runs it: single events at a constant rate, then a million in
 * batches. Fails unless everything accepted is found: accepted = stored + duplicates + dead letters.
 */
const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
    batched: { type: 'string', default: '1000000' },
    json: { type: 'boolean', default: false },
  },
})
const RATE = Number(options.rate)
const SECONDS = Number(options.seconds)
const BATCH = 500

const home = createTestHome()
const figures: Record<string, number> = {}
let sentEvents = 0
try {
  const sluice = await home.start('--no-demo')
  const peaks = watchMemory(sluice)
  await singleEvents(sluice)
  if (Number(options.batched) > 0) await inBatches(sluice, Number(options.batched))
  Object.assign(figures, peaks())
  await checkBalance(sluice)
  report()
} finally {
  await home.remove()
}

async function singleEvents(sluice: TestSluice): Promise<void> {
  const { run } = sluice
  const cpu = cpuOf(sluice)
  const probing = new AbortController()
  const visible = probeVisibility(sluice, probing.signal)
  const sent = await openLoop(
    {
      url: `${run.edge_url}/v1/events`,
      headers: { Authorization: `Bearer ${run.write_key}` },
      connections: 64,
      // One in a hundred is repeated, one in a hundred is too old.
      body: (i) =>
        JSON.stringify({
          event: `page_view_${i % 8}`,
          event_id: `single-${i % 100 === 99 ? i - 1 : i}`,
          user_id: `user-${i % 500}`,
          page: '/pricing',
          value: i % 7,
          ...(i % 100 === 50 && { timestamp: 1_705_945_000 }),
        }),
    },
    RATE,
    SECONDS,
    (second) => options.json || process.stderr.write(`\r${second} of ${SECONDS} s `),
  )
  probing.abort()
  const waits = await visible
  failUnlessAccepted(sent)
  sentEvents += sent.length
  Object.assign(figures, {
    'requests/s': sent.length / SECONDS,
    'response p50 ms': percentile(
      sent.map(({ ms }) => ms),
      50,
    ),
    'response p95 ms': percentile(
      sent.map(({ ms }) => ms),
      95,
    ),
    'response p99 ms': percentile(
      sent.map(({ ms }) => ms),
      99,
    ),
    'accepted to visible p50 ms': percentile(waits, 50),
    'accepted to visible p95 ms': percentile(waits, 95),
    'CPU s per million, single': ((cpuOf(sluice) - cpu) / sent.length) * 1e6,
  })
}

/** Sends one event every half second and queries GraphQL until it is visible. */
async function probeVisibility({ run }: TestSluice, signal: AbortSignal): Promise<number[]> {
  const waits: number[] = []
  for (let i = 0; !signal.aborted; i++) {
    const id = `probe-${i}`
    const response = await fetch(`${run.edge_url}/v1/events`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${run.write_key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ event: 'probe', event_id: id }),
    })
    await response.text()
    sentEvents++
    const acceptedAt = performance.now()
    for (;;) {
      const { event } = await askGraphQL<{ event: unknown }>(
        run,
        'query ($id: ID!) { event(id: $id) { name } }',
        { id },
      )
      if (event) break
      if (performance.now() - acceptedAt > 30_000)
        throw new Error(`${id} was accepted but is not visible`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    waits.push(performance.now() - acceptedAt)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  return waits
}

async function inBatches(sluice: TestSluice, events: number): Promise<void> {
  const { run } = sluice
  const requests = Math.ceil(events / BATCH)
  const started = performance.now()
  const cpu = cpuOf(sluice)
  let retried = 0
  // The write key allows a million events a minute; a faster run gets 429s and waits.
  for (let start = 0; start < requests; start += 100) {
    const count = Math.min(100, requests - start)
    const sent = await closedLoop(
      {
        url: `${run.edge_url}/v1/events`,
        headers: { Authorization: `Bearer ${run.write_key}` },
        connections: 8,
        body: (i) =>
          JSON.stringify({
            events: Array.from({ length: BATCH }, (_, n) => batchEvent((start + i) * BATCH + n)),
          }),
      },
      count,
    )
    const limited = sent.filter(({ status }) => status === 429)
    if (limited.length > 0) {
      retried += limited.length
      start -= 100
      await new Promise((resolve) => setTimeout(resolve, 5_000))
      // Event ids make it safe to send the whole round again: repeated events are duplicates.
      sentEvents += (count - limited.length) * BATCH
      continue
    }
    failUnlessAccepted(sent)
    sentEvents += count * BATCH
    if (!options.json)
      process.stderr.write(`\r${((start + count) * BATCH).toLocaleString('en')} events `)
  }
  await waitUntilApplied(sluice)
  const seconds = (performance.now() - started) / 1000
  Object.assign(figures, {
    'events/s in batches, stored': events / seconds,
    'CPU s per million, batches': ((cpuOf(sluice) - cpu) / events) * 1e6,
    'rounds limited': retried,
  })
}

function batchEvent(i: number): object {
  return {
    event: `flight_${i % 12}`,
    event_id: `batch-${i}`,
    user_id: `plane-${i % 2_000}`,
    value: i % 300,
    distance: i % 3_000,
    carrier: 'AA',
  }
}

/** Checks that every accepted event has an outcome, and that the rollups agree. */
async function checkBalance({ run }: TestSluice): Promise<void> {
  const client = new pg.Client(run.database_url)
  await client.connect()
  const { rows } = await client.query(`
    SELECT (SELECT sum(next_offset)::float8 FROM log_partition WHERE topic = 'events.raw') AS logged,
           (SELECT count(*)::float8 FROM event) AS stored,
           (SELECT coalesce(sum(duplicate + conflicting), 0)::float8 FROM outcome_minute) AS duplicates,
           (SELECT count(*)::float8 FROM dead_letter) AS dead,
           (SELECT sum(count)::float8 FROM rollup_15m) AS rolled`)
  await client.end()
  const { logged, stored, duplicates, dead, rolled } = rows[0]
  if (logged !== stored + duplicates + dead || stored !== rolled || logged < sentEvents)
    throw new Error(
      `the balance does not close: ${sentEvents} accepted, ${JSON.stringify(rows[0])}`,
    )
  Object.assign(figures, {
    accepted: sentEvents,
    stored,
    duplicates,
    'dead letters': dead,
    missing: sentEvents - stored - duplicates - dead,
  })
}

async function waitUntilApplied({ run }: TestSluice): Promise<void> {
  const client = new pg.Client(run.database_url)
  await client.connect()
  for (let left = 1; left > 0; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const { rows } = await client.query(
      `SELECT (sum(l.next_offset) - sum(p.next_offset))::float8 AS left FROM log_partition l JOIN log_position p USING (topic, partition)`,
    )
    left = rows[0].left
  }
  await client.end()
}

function watchMemory({ run }: TestSluice): () => Record<string, number> {
  const peak = { core: 0, edge: 0 }
  const timer = setInterval(() => {
    peak.core = Math.max(peak.core, residentMiB(run.core_pid))
    peak.edge = Math.max(peak.edge, residentMiB(run.edge_pid))
  }, 500)
  return () => {
    clearInterval(timer)
    return { 'core peak MiB': peak.core, 'edge peak MiB': peak.edge }
  }
}

function cpuOf({ run }: TestSluice): number {
  // Core, the edge and Postgres are its child processes.
  return cpuSeconds(run.pid)
}

function failUnlessAccepted(sent: readonly SentRequest[]): void {
  const failed = sent.filter(({ status }) => status !== 202)
  if (failed.length > 0)
    throw new Error(
      `${failed.length} of ${sent.length} were not accepted: ${failed[0]?.status} ${failed[0]?.body}`,
    )
}

function report(): void {
  if (options.json) {
    console.log(JSON.stringify(figures))
    return
  }
  process.stderr.write('\r')
  console.log(
    table([
      ['figure', 'value'],
      ...Object.entries(figures).map(([name, value]) => [
        name,
        value.toFixed(value < 10 && value !== Math.round(value) ? 2 : 0),
      ]),
    ]),
  )
}
