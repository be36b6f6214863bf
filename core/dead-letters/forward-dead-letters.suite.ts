import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DeadLetterRecord } from '../../contract/log/dead-letter.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { rawRecord, rawValue } from '../../tests/lib/records.ts'
import { collect } from '../log/log.suite.ts'
import type { Log, LogRecord } from '../log/log.ts'
import { createWorker } from '../worker/worker.ts'
import { createDeadLetterForwarder } from './forward-dead-letters.ts'

const quiet = { info() {}, warn() {}, error() {} }

/** Dead letters in events.dlq, on each log. */
export function forwarderSuite(name: string, open: (databaseUrl: string) => Promise<Log>): void {
  describe(`the dead-letter forwarder on the ${name} log`, () => {
    let database: TestDatabase
    let log: Log
    let stop: AbortController
    let running: Promise<void>[]
    beforeEach(async () => {
      database = await createTestDatabase()
      await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
      log = await open(database.url)
      stop = new AbortController()
      running = []
    })
    afterEach(async () => {
      stop.abort()
      await Promise.all(running)
      await log.close()
      await database.drop()
    })

    const everything = async () => {
      const bounds = await log.offsets(TOPICS.deadLetters.name)
      const total = bounds.reduce((sum, { lastStableOffset: next }) => sum + next, 0)
      if (total === 0) return []
      return collect(
        { log, topic: TOPICS.deadLetters.name },
        new Map(bounds.map(({ partition }) => [partition, 0])),
        AbortSignal.timeout(10_000),
        total,
      )
    }
    const parse = ({ value }: LogRecord): DeadLetterRecord => JSON.parse(`${value}`)
    const one = async (sql: string) => (await database.pool.query(sql)).rows[0]

    test('sends each dead letter to events.dlq with its reason, its offset and its bytes', async () => {
      const poisons = [
        rawValue('{"v":1,', 'a'),
        rawValue(Buffer.from([0xff, 0x00, 0xfe]), 'b'),
        rawRecord({ tenant: 'nobody' }),
        rawRecord({ occurred_at: '2024-01-22T17:36:40Z' }),
      ]
      const positions = await log.append(TOPICS.raw.name, poisons)
      const worker = createWorker({ databaseUrl: database.url, log, logger: quiet })
      running.push(worker.run(stop.signal))
      await expect.poll(async () => (await everything()).length, { timeout: 10_000 }).toBe(4)
      const found = await everything()
      const bySource = new Map(found.map((record) => [`${record.key}`, parse(record)]))
      for (const [i, poison] of poisons.entries()) {
        const { partition, offset } = positions[i] as (typeof positions)[number]
        const sent = bySource.get(`events.raw:${partition}:${offset}`)
        const original = Buffer.from(sent?.original ?? '', sent?.base64 ? 'base64' : 'utf8')
        expect(original.equals(poison.value), `poison ${i}`).toBe(true)
        expect(sent?.source).toEqual({ topic: 'events.raw', partition, offset })
      }
      expect(
        [...bySource.values()].map(({ reason, tenant }) => `${reason} ${tenant}`).sort(),
      ).toEqual([
        'NOT_JSON null',
        'NOT_UTF8 null',
        'OCCURRED_AT_TOO_OLD default',
        'TENANT_UNKNOWN null',
      ])
      await expect
        .poll(() => one('SELECT count(*)::int AS n FROM dead_letter WHERE forwarded_at IS NULL'))
        .toEqual({ n: 0 })
    })

    test('sends each dead letter once beside a second forwarder, whatever order they were created in', async () => {
      await store(1_200, () => 'oops')
      const pool = createPool(4)
      for (let i = 0; i < 2; i++)
        running.push(createDeadLetterForwarder({ pool, log, logger: quiet }).run(stop.signal))
      await expect.poll(async () => (await everything()).length, { timeout: 10_000 }).toBe(1_200)
      // One with a smaller number becomes visible late.
      await database.pool.query(
        'UPDATE dead_letter SET forwarded_at = NULL WHERE dead_letter_id = 7',
      )
      await expect.poll(async () => (await everything()).length, { timeout: 10_000 }).toBe(1_201)
      stop.abort()
      await Promise.all(running)
      await pool.end()
    })

    test('sends a dead letter again after a crash, with the same key and the same bytes', async () => {
      await store(3, (i) => `dead letter ${i}`)
      const pool = createPool(2)
      const dies: Pick<Log, 'append'> = {
        async append(topic, records, signal) {
          await log.append(topic, records, signal)
          throw new Error('killed between the append and the commit')
        },
      }
      const first = new AbortController()
      const dying = createDeadLetterForwarder({ pool, log: dies, logger: quiet }).run(first.signal)
      await expect.poll(async () => (await everything()).length).toBe(3)
      first.abort()
      await dying
      running.push(createDeadLetterForwarder({ pool, log, logger: quiet }).run(stop.signal))
      await expect.poll(async () => (await everything()).length, { timeout: 10_000 }).toBe(6)
      const sent = (await everything()).map(({ key, value }) => `${key} ${value}`).sort()
      expect(new Set(sent).size).toBe(3)
      stop.abort()
      await Promise.all(running)
      await pool.end()
    })

    test('sends a dead letter that is too large for the log without the original, and the others with it', async () => {
      await store(3, (i) => (i === 1 ? Buffer.alloc(5 * 1024 * 1024, 'x') : `dead letter ${i}`))
      const pool = createPool(2)
      running.push(createDeadLetterForwarder({ pool, log, logger: quiet }).run(stop.signal))
      await expect.poll(async () => (await everything()).length, { timeout: 10_000 }).toBe(3)
      const originals = (await everything()).map((record) => parse(record).original)
      expect(originals.sort()).toEqual(['dead letter 0', 'dead letter 2', undefined])
      stop.abort()
      await Promise.all(running)
      await pool.end()
    })

    test('sends a dead letter that the topic is too small for without the original, and the others with it', async () => {
      await store(3, (i) => (i === 1 ? 'x'.repeat(2_000) : `dead letter ${i}`))
      const pool = createPool(2)
      const small: Pick<Log, 'append'> = {
        async append(topic, records, signal) {
          const large = records.find(({ value }) => value.length > 1_000)
          if (large) throw new RangeError(`a record of ${large.value.length} bytes is too large`)
          return log.append(topic, records, signal)
        },
      }
      running.push(createDeadLetterForwarder({ pool, log: small, logger: quiet }).run(stop.signal))
      const waiting = () =>
        one('SELECT count(*)::int AS n FROM dead_letter WHERE forwarded_at IS NULL')
      await expect.poll(waiting, { timeout: 10_000 }).toEqual({ n: 0 })
      const sent = (await everything()).map((record) => parse(record))
      expect(sent.map(({ original }) => original).sort()).toEqual([
        'dead letter 0',
        'dead letter 2',
        undefined,
      ])
      expect(new Set(sent.map(({ detail }) => detail))).toEqual(new Set(['a detail']))
      stop.abort()
      await Promise.all(running)
      await pool.end()
    })

    function createPool(max: number): pg.Pool {
      const pool = new pg.Pool({ connectionString: database.url, max })
      // The drop of the database may still meet a connection that is ending.
      pool.on('error', () => {})
      pool.on('connect', (client) => client.on('error', () => {}))
      return pool
    }

    async function store(count: number, original: (i: number) => string | Buffer): Promise<void> {
      await database.pool.query(
        `INSERT INTO dead_letter (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, received_at)
         SELECT 1, 'NOT_JSON', 'a detail', 'f', o, 'events.raw', 0, i - 1, now() FROM unnest($1::bytea[]) WITH ORDINALITY AS x (o, i)`,
        [Array.from({ length: count }, (_, i) => Buffer.from(original(i)))],
      )
    }
  })
}
