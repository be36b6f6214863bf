import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOPICS } from '../contract/log/topics.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { createTestHome, sendEvent, type TestHome, type TestSluice } from '../tests/lib/sluice.ts'

let home: TestHome
let sluice: TestSluice
let pool: pg.Pool
beforeAll(async () => {
  home = createTestHome()
  sluice = await home.start('--no-demo')
  pool = new pg.Pool({ connectionString: sluice.run.database_url, max: 1 })
  pool.on('error', () => {})
  const events = Array.from({ length: 40 }, (_, i) => ({ event: 'a', user_id: `u${i}` }))
  expect((await sendEvent(sluice.run, { events })).status).toBe(202)
})
afterAll(async () => {
  await pool.end()
  await home.remove()
})

const lag = async () => JSON.parse((await home.sluice('lag', '--json')).out)

test('lag shows the position of each partition and which worker reads it', async () => {
  await expect.poll(async () => (await lag()).lag, { timeout: 20_000 }).toBe(0)
  const { partitions, applied, gaps } = await lag()
  expect(partitions).toHaveLength(6)
  expect(applied).toBe(40)
  expect(gaps).toEqual([])
  expect(new Set(partitions.map(({ worker }: { worker: string }) => worker)).size).toBe(1)
  const { out, code } = await home.sluice('lag')
  expect(code).toBe(0)
  expect(out).toMatch(/^Partition +Position +End +Lag +Worker$/m)
  expect(out).toContain('40 records applied, 0 behind.')
})

test('lag --csv appends one line per sample, with the rate since the sample before', async () => {
  const file = join(tmpdir(), `sluice-lag-${process.pid}.csv`)
  try {
    const running = home.sluice('lag', '--csv', file, '--every', '500ms', '--samples', '4')
    const events = Array.from({ length: 100 }, (_, i) => ({ event: 'b', user_id: `u${i}` }))
    await expect.poll(() => lines(file).length, { timeout: 20_000 }).toBeGreaterThan(1)
    await sendEvent(sluice.run, { events })
    expect((await running).code).toBe(0)
    const [head, ...rows] = lines(file)
    expect(head).toBe('timestamp,events_processed,lag,batch_time_ms,processing_rate')
    expect(rows).toHaveLength(4)
    const numbers = rows.map((row) => row.split(',').slice(1).map(Number))
    expect(numbers.flat().every((number) => number >= 0)).toBe(true)
    expect(rows.every((row) => !Number.isNaN(Date.parse(row.split(',')[0] as string)))).toBe(true)
    expect(numbers.at(-1)?.[0]).toBe(140)
    expect(numbers.some(([, , , rate]) => (rate as number) > 50)).toBe(true)
    // A second run appends to the same file.
    await home.sluice('lag', '--csv', file, '--samples', '1')
    expect(lines(file)).toHaveLength(6)
  } finally {
    rmSync(file, { force: true })
  }
})

test('lag --samples takes a whole number only', async () => {
  for (const samples of ['foo', '0', '1.5']) {
    const result = await home.sluice('lag', '--samples', samples)
    expect({ samples, code: result.code, out: result.out }).toEqual({ samples, code: 1, out: '' })
    expect(result.err).toContain('Use a whole number from 1.')
  }
})

test('replay reads again what the workers have read, and reports what changed', async () => {
  const result = await home.sluice('replay', '--from', '0', '--json')
  expect(JSON.parse(result.out)).toMatchObject({
    dry_run: false,
    records: 140,
    stored: 0,
    unchanged: 140,
    refused: 0,
    expired: 0,
  })
  const records = async (...range: string[]) =>
    JSON.parse((await home.sluice('replay', ...range, '--json')).out)
  expect(await records('--from', '0', '--to', '1')).toMatchObject({
    records: 6,
    partitions: Array.from({ length: 6 }, (_, partition) => ({ partition, from: 0, to: 1 })),
  })
  expect(await records('--from', '2', '--to', '5', '--partition', '4')).toMatchObject({
    records: 3,
    partitions: [{ partition: 4, from: 2, to: 5 }],
  })
  await pool.query(
    "DELETE FROM event WHERE name = 'b'; UPDATE rollup_15m r SET count = 0, value_count = 0 FROM series s WHERE s.series_id = r.series_id AND metric = 'b'",
  )
  const dry = await home.sluice('replay', '--from', '2000-01-01T00:00:00Z', '--dry-run')
  expect(dry.out).toContain(
    '140 records read again, nothing changed: 40 unchanged, 100 would be added, 0 dead.',
  )
  const wet = await home.sluice('replay', '--from', '0')
  expect(wet.out).toContain('140 records read again: 40 unchanged, 100 added, 0 dead.')
  const { rows } = await pool.query(
    "SELECT sum(count)::int AS n FROM rollup_15m r JOIN series s USING (series_id) WHERE metric = 'b'",
  )
  expect(rows).toEqual([{ n: 100 }])

  const nothing = await home.sluice('replay', '--from', '1000000')
  expect([nothing.code, nothing.err]).toEqual([
    1,
    expect.stringContaining('no records in this range'),
  ])
  const nonsense = await home.sluice('replay', '--from', 'yesterday')
  expect([nonsense.code, nonsense.err]).toEqual([
    1,
    expect.stringContaining('Use an offset, or a time'),
  ])
})

test('an offset gap is reported by every surface, and offsets skip continues behind it without a restart', async () => {
  await sluice.stop()
  // Records are deleted before they are read, as by a retention that is too short.
  const database = await startPostgresAlone()
  const log = await createPostgresLog({ url: database.url })
  const record = { partition: 3, key: null, value: Buffer.from('{') }
  for (let i = 0; i < 5; i++) await log.append(TOPICS.raw.name, [record])
  const [, , , offsets] = await log.offsets(TOPICS.raw.name)
  await log.close()
  await database.query(
    `DELETE FROM log_chunk WHERE partition = 3 AND base_offset < ${(offsets?.lastStableOffset ?? 0) - 2}`,
  )
  await database.stop()

  sluice = await home.start('--no-demo')
  await expect.poll(async () => (await lag()).gaps, { timeout: 20_000 }).toHaveLength(1)
  expect(sluice.output()).toContain('3 records from offset')
  const metrics = await (await fetch(`${sluice.run.core_url}/metrics`)).text()
  expect(metrics).toContain('sluice_offset_gap_records_total{topic="events.raw",partition="3"} 3')
  expect(metrics).toContain('sluice_offset_gaps_open 1')
  expect((await home.sluice('offsets', 'list')).out).toContain('3 records from')
  const skipped = await home.sluice('offsets', 'skip')
  expect([skipped.code, skipped.out]).toEqual([
    0,
    expect.stringContaining('Partition 3 continues at'),
  ])
  await expect.poll(async () => (await lag()).lag, { timeout: 20_000 }).toBe(0)
  expect((await home.sluice('offsets')).out).toContain('No offsets are missing.')
})

test('offsets of another log are reported by every surface, and offsets adopt continues with this one', async () => {
  await sluice.stop()
  const database = await startPostgresAlone()
  await database.query('UPDATE postgres_log SET identity = gen_random_uuid()')
  await database.stop()

  sluice = await home.start('--no-demo')
  const metrics = async () => (await fetch(`${sluice.run.core_url}/metrics`)).text()
  await expect.poll(metrics).toContain('sluice_log_identity_mismatch 1')
  await expect.poll(() => sluice.output()).toContain('belong to the log')
  expect((await home.sluice('offsets', 'list')).out).toContain(
    'their offsets belong to another log',
  )
  const skipped = await home.sluice('offsets', 'skip')
  expect([skipped.code, skipped.err]).toEqual([1, expect.stringContaining('offsets adopt')])
  const adopted = await home.sluice('offsets', 'adopt', '--at', 'current')
  expect([adopted.code, adopted.out]).toEqual([0, expect.stringContaining('Partition 5 continues')])
  await expect.poll(metrics).toContain('sluice_log_identity_mismatch 0')
  await sendEvent(sluice.run, { events: [{ event: 'c', user_id: 'u' }] })
  await expect.poll(async () => (await lag()).lag, { timeout: 20_000 }).toBe(0)
})

async function startPostgresAlone() {
  const { startPostgresServer } = await import('../tools/postgres/postgres-server.ts')
  const server = await startPostgresServer({ home: join(home.folder, 'postgres') })
  const alone = new pg.Pool({ connectionString: server.url, max: 1 })
  alone.on('error', () => {})
  return {
    url: server.url,
    query: (text: string) => alone.query(text),
    async stop() {
      await alone.end()
      await server.stop()
    },
  }
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trim().split('\n')
  } catch {
    return []
  }
}
