import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TOPICS } from '../../contract/log/topics.ts'
import { ROOT } from '../../core/lib/paths.ts'
import { type CoreProcess, SLUICE_GATEWAY_PASSWORD, startCore } from '../lib/core-process.ts'
import { createTestDatabase, type TestDatabase } from '../lib/database.ts'
import { kafkaEnv } from '../lib/kafka.ts'
import { countTotals, rawRecord } from '../lib/records.ts'

let database: TestDatabase
let running: CoreProcess[]
let env: Record<string, string>

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  running = []
  env = kafkaEnv()
})
afterEach(async () => {
  await Promise.all(running.map((each) => each.stop()))
  await database.drop()
})

async function start(...roles: ('api' | 'gateway' | 'worker')[]): Promise<CoreProcess> {
  const core = await startCore({ roles, databaseUrl: database.url, env })
  running.push(core)
  return core
}

function produce(core: CoreProcess, ...records: ReturnType<typeof rawRecord>[]): Promise<Response> {
  return fetch(`${core.url}/gateway/produce`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`sluice:${SLUICE_GATEWAY_PASSWORD}`)}` },
    body: JSON.stringify(
      records.map(({ partition, key, value }) => ({
        topic: TOPICS.raw.name,
        partition,
        key: `${key}`,
        value: `${value}`,
      })),
    ),
  })
}

describe('core on Kafka', () => {
  test('an event passes through the gateway, Kafka and a separate worker process into Postgres', async () => {
    const [gateway] = await Promise.all([start('gateway'), start('worker')])
    const events = Array.from({ length: 500 }, (_, i) => rawRecord({ actor: `actor-${i}` }))
    const answer = await produce(gateway, ...events)
    expect(answer.status).toBe(200)
    const positions = (await answer.json()) as { partition: number; offset: number }[]
    expect(positions.map(({ partition }) => partition)).toEqual(events.map((e) => e.partition))
    await expect
      .poll(() => countTotals(database.pool), { timeout: 20_000 })
      .toEqual({
        stored: 500,
        duplicates: 0,
        conflicting: 0,
        dead: 0,
        wrongRollups: 0,
        double: 0,
      })
    // Each event is at the partition and offset that the edge returned.
    const { rows } = await database.pool.query(
      'SELECT log_partition AS partition, log_offset::int AS offset FROM event ORDER BY 1, 2',
    )
    const order = (a: (typeof positions)[0], b: (typeof positions)[0]) =>
      a.partition - b.partition || a.offset - b.offset
    expect(rows).toEqual(
      positions.map(({ partition, offset }) => ({ partition, offset })).sort(order),
    )
  })

  test('the commands lag, replay and migrate use the log in Kafka', async () => {
    const sluice = (...args: string[]) => {
      const child = spawn(process.execPath, [join(ROOT, 'cli/bin.mjs'), ...args], {
        env: { ...process.env, ...env, DATABASE_URL: database.url, NO_COLOR: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let out = ''
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk) => {
          out += chunk
        })
      return new Promise<string>((resolve) => child.once('close', () => resolve(out)))
    }
    expect(await sluice('lag')).toContain(
      `Kafka has no topic ${env.SLUICE_KAFKA_TOPIC_PREFIX}events.raw.`,
    )
    expect(await sluice('migrate')).toContain(
      `Kafka topic ${env.SLUICE_KAFKA_TOPIC_PREFIX}events.raw`,
    )
    const gateway = await start('gateway')
    await produce(gateway, ...Array.from({ length: 50 }, (_, i) => rawRecord({ actor: `a${i}` })))
    expect(JSON.parse(await sluice('lag', '--json'))).toMatchObject({ lag: 50, applied: 0 })
    await start('worker')
    const applied = async () => JSON.parse(await sluice('lag', '--json')).applied
    await expect.poll(applied, { timeout: 20_000 }).toBe(50)
    expect(JSON.parse(await sluice('replay', '--from', '0', '--json'))).toMatchObject({
      records: 50,
      unchanged: 50,
      stored: 0,
    })
  })
})
