import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { freeze } from '../../../tests/lib/freeze.ts'
import {
  type PostgresServer,
  startPostgresServer,
} from '../../../tools/postgres/postgres-server.ts'
import { migrate } from '../../db/migrate.ts'
import { collect, logSuite, readUntil, record, text } from '../log.suite.ts'
import { CorruptLogError, type Log, OffsetOutOfRangeError } from '../log.ts'
import { createPostgresLog } from './postgres-log.ts'

const topic = 'events.raw'

logSuite('Postgres', async () => {
  const database = await createTestDatabase()
  const log = await createPostgresLog({ url: database.url })
  return {
    log,
    another: () => createPostgresLog({ url: database.url }),
    topic,
    partitions: 6,
    async close() {
      await log.close()
      await database.drop()
    },
  }
})

describe('the Postgres log, when data or connections are damaged', () => {
  let database: TestDatabase
  let log: Log
  const errors: unknown[] = []
  const append = (...values: string[]) =>
    log.append(
      topic,
      values.map((value) => record(value, 0)),
    )
  const sql = (text: string, values?: unknown[]) => database.pool.query(text, values)

  beforeEach(async () => {
    errors.length = 0
    database = await createTestDatabase()
    log = await createPostgresLog({ url: database.url, onError: (error) => errors.push(error) })
  })
  afterEach(async () => {
    await log.close()
    await database.drop()
  })

  test('records dropped before they were read are an OffsetOutOfRangeError with the number of records', async () => {
    for (let i = 0; i < 5; i++) await append(`${i}`)
    await sql("DELETE FROM log_chunk WHERE topic = 'events.raw' AND base_offset < 3")
    const failure = readUntil({ log, topic }, new Map([[0, 1]]), 4)
    await expect(failure).rejects.toThrow('events.raw/0: 2 records from offset 1 were dropped')
    await expect(failure).rejects.toBeInstanceOf(OffsetOutOfRangeError)
    expect(await log.offsets(topic)).toMatchObject([
      { logStartOffset: 3, lastStableOffset: 5 },
      {},
      {},
      {},
      {},
      {},
    ])
    // All of them dropped: still out of range, and not an idle log.
    await sql('DELETE FROM log_chunk')
    await expect(readUntil({ log, topic }, new Map([[0, 1]]), 4)).rejects.toMatchObject({
      expected: 1,
      available: 5,
    })
  })

  test('a gap in the middle is an OffsetOutOfRangeError, after the records before it were delivered', async () => {
    for (let i = 0; i < 5; i++) await append(`${i}`)
    await sql('DELETE FROM log_chunk WHERE base_offset = 2')
    const signal = AbortSignal.timeout(20_000)
    const delivered: string[] = []
    const failure = collect({ log, topic }, new Map([[0, 0]]), signal, 5, (records) =>
      delivered.push(...records.map(text)),
    )
    await expect(failure).rejects.toMatchObject({ expected: 2, available: 3 })
    expect(delivered).toEqual(['0', '1'])
    expect((await readUntil({ log, topic }, new Map([[0, 3]]), 2)).map(text)).toEqual(['3', '4'])
  })

  test('a batch holds no more bytes than a reader may hold, however few of them are stored', async () => {
    const large = { key: null, value: Buffer.alloc(3 * 1024 * 1024), partition: 0 }
    for (let i = 0; i < 4; i++) await log.append(topic, [large])
    const stored = await sql('SELECT sum(octet_length(body))::int AS bytes FROM log_chunk')
    expect(stored.rows[0].bytes).toBeLessThan(256 * 1024)
    const stop = new AbortController()
    const from = new Map([[0, 0]])
    const options = { from, signal: stop.signal, maxRecords: 5_000, minIntervalMs: 0 }
    for await (const batch of log.batches(topic, options)) {
      expect(batch.recordCount).toBe(2)
      break
    }
    stop.abort()
  })

  test('corrupt bytes stop the reader with an error that names the offset', async () => {
    await append('a', 'b')
    await sql('UPDATE log_chunk SET body = substring(body FOR length(body) - 1)')
    const failure = readUntil({ log, topic }, new Map([[0, 0]]), 2)
    await expect(failure).rejects.toBeInstanceOf(CorruptLogError)
    await expect(failure).rejects.toThrow('events.raw/0 at offset 0')
  })

  test('an append whose connection is cut rejects, and either all of its records are stored or none', async () => {
    // The appender's backend is killed while it waits for the lock, in the middle of the append.
    const blocker = await database.pool.connect()
    await blocker.query('BEGIN')
    await blocker.query(
      "SELECT FROM log_partition WHERE topic = 'events.raw' AND partition = 1 FOR UPDATE",
    )
    const cut = log.append(topic, [record('a', 0), record('b', 1), record('c', 2)])
    cut.catch(() => {})
    await expect.poll(async () => (await blocked()).length, { interval: 10 }).toBe(1)
    await sql('SELECT pg_terminate_backend($1)', [(await blocked())[0]])
    await expect(cut).rejects.toThrow()
    await blocker.query('COMMIT')
    blocker.release()
    expect((await log.offsets(topic)).map((bounds) => bounds.lastStableOffset)).toEqual([
      0, 0, 0, 0, 0, 0,
    ])
    expect((await append('next'))[0]?.offset).toBe(0)
  })

  test('connections cut at random never lose or repeat an acknowledged record, and offsets have no gap', async () => {
    const acknowledged = new Map<number, string>()
    let done = false
    const cutting = (async () => {
      while (!done) {
        await sql(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice log append' AND datname = current_database() AND random() < 0.5",
        )
        await sleep(15)
      }
    })()
    let rejected = 0
    await Promise.all(
      Array.from({ length: 4 }, async (_, who) => {
        for (let i = 0; rejected < 20; i++)
          try {
            const positions = await append(`${who}/${i}/a`, `${who}/${i}/b`)
            for (const [k, name] of ['a', 'b'].entries())
              acknowledged.set(positions[k]?.offset as number, `${who}/${i}/${name}`)
          } catch {
            rejected++
          }
      }),
    )
    done = true
    await cutting
    const stored = (await log.offsets(topic))[0]?.lastStableOffset as number
    const found = await readUntil({ log, topic }, new Map([[0, 0]]), stored)
    expect(found.length).toBe(stored)
    for (const [offset, value] of acknowledged) expect(text(found[offset])).toBe(value)
    // Both records of an append or none.
    const values = found.map(text)
    expect(values.filter((_, i) => i % 2 === 0).map((value) => value.replace(/a$/, 'b'))).toEqual(
      values.filter((_, i) => i % 2 === 1),
    )
    expect(acknowledged.size).toBeGreaterThan(0)
  })

  test('an append that waits for a lock rejects within its deadline, and the next one succeeds', async () => {
    const impatient = await createPostgresLog({ url: database.url, appendMsMax: 600 })
    const blocker = await database.pool.connect()
    await blocker.query('BEGIN')
    await blocker.query("SELECT FROM log_partition WHERE topic = 'events.raw' FOR UPDATE")
    const began = Date.now()
    // More than there are connections: the others wait for one.
    const waiting = await Promise.allSettled(
      Array.from({ length: 5 }, () => impatient.append(topic, [record('v', 0)])),
    )
    expect(Date.now() - began).toBeLessThan(10_000)
    expect(waiting.every(({ status }) => status === 'rejected')).toBe(true)
    // On the server, too, no statement waits any more that could still append.
    await expect.poll(() => blocked()).toEqual([])
    await blocker.query('COMMIT')
    blocker.release()
    expect((await impatient.append(topic, [record('v', 0)]))[0]?.offset).toBe(0)
    await impatient.close()
  })

  test('an append under way can be aborted', async () => {
    const blocker = await database.pool.connect()
    await blocker.query('BEGIN')
    await blocker.query("SELECT FROM log_partition WHERE topic = 'events.raw' FOR UPDATE")
    const stop = new AbortController()
    const called = log.append(topic, [record('v', 0)], stop.signal)
    called.catch(() => {})
    await expect.poll(async () => (await blocked()).length, { interval: 10 }).toBe(1)
    stop.abort(new Error('called off'))
    await expect(called).rejects.toThrow('called off')
    await blocker.query('ROLLBACK')
    blocker.release()
    await append('next')
  })

  test('an append creates the day table that it finds missing', async () => {
    const { rows } = await sql(
      "SELECT inhrelid::regclass AS day FROM pg_inherits WHERE inhparent = 'log_chunk'::regclass",
    )
    for (const { day } of rows) await sql(`DROP TABLE ${day}`)
    expect(await append('a')).toMatchObject([{ offset: 0 }])
    expect(await append('b')).toMatchObject([{ offset: 1 }])
  })

  test('a reader continues when its connections are cut, the LISTEN connection too', async () => {
    const stop = new AbortController()
    const reading = collect({ log, topic }, new Map([[0, 0]]), stop.signal, 20)
    for (let i = 0; i < 20; i++) {
      await append(`${i}`)
      if (i % 5 === 0)
        await sql(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name IN ('sluice log read', 'sluice log wakeup')",
        )
    }
    expect((await reading).map(text)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
  })

  test('a first read that is cut is repeated from its offset, also within records that were appended together', async () => {
    await append('a', 'b', 'c', 'd')
    const holder = await database.pool.connect()
    await holder.query('BEGIN; LOCK log_partition IN ACCESS EXCLUSIVE MODE')
    const reading = readUntil({ log, topic }, new Map([[0, 2]]), 2)
    await expect.poll(() => blocked('sluice log read')).toHaveLength(1)
    await sql('SELECT pg_terminate_backend($1)', await blocked('sluice log read'))
    await expect.poll(() => errors.length).toBeGreaterThan(0)
    await holder.query('COMMIT')
    holder.release()
    expect((await reading).map(text)).toEqual(['c', 'd'])
  })

  test('the offset at a time is that of a record taken exactly then, at midnight too', async () => {
    for (const value of ['a', 'b']) await append(value)
    const { rows } = await sql(
      `UPDATE log_chunk SET appended_at = appended_on::timestamp AT TIME ZONE 'UTC' + base_offset * interval '1 ms'
       RETURNING (extract(epoch FROM appended_on) * 1000)::float8 AS midnight`,
    )
    const at = async (ms: number) => (await log.offsetsAt(topic, rows[0].midnight + ms)).get(0)
    expect([await at(-1), await at(0), await at(1), await at(2)]).toEqual([0, 0, 1, 2])
  })

  async function blocked(name = 'sluice log append'): Promise<number[]> {
    const { rows } = await sql(
      "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database() AND wait_event_type = 'Lock'",
      [name],
    )
    return rows.map((row) => row.pid)
  }
})

describe('the Postgres log, when Postgres is frozen or gone', () => {
  let home: string
  let server: PostgresServer
  let log: Log
  const errors: unknown[] = []

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'sluice-log-test-'))
    chmodSync(home, 0o755)
    server = await startPostgresServer({ home, settings: { shared_buffers: '32MB' } })
    await migrate(server.url)
  })
  afterAll(async () => {
    await server.stop()
    rmSync(home, { recursive: true, force: true })
  })
  beforeEach(async () => {
    errors.length = 0
    log = await createPostgresLog({
      url: server.url,
      appendMsMax: 500,
      onError: (error) => errors.push(error),
    })
  })
  afterEach(() => log.close())

  const append = (value: string) => log.append(topic, [record(value, 0)])
  const end = async () => (await log.offsets(topic))[0]?.lastStableOffset as number

  test('appends reject within their deadline while Postgres is frozen, and succeed at once afterwards', async () => {
    const before = (await append('before'))[0]?.offset as number
    const thaw = freeze(server.pid)
    try {
      for (let round = 0; round < 2; round++) {
        const began = Date.now()
        const results = await Promise.allSettled(
          Array.from({ length: 4 }, (_, i) => append(`frozen ${round} ${i}`)),
        )
        expect(results.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
        expect(Date.now() - began).toBeLessThan(10_000)
      }
    } finally {
      thaw()
    }
    await expect
      .poll(() =>
        append('after').then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    // Whether the rejected records were stored or not, the log has no gap.
    const found = await readUntil({ log, topic }, new Map([[0, before]]), (await end()) - before)
    expect(found.map((each) => each.offset)).toEqual(found.map((_, i) => before + i))
    expect(found.map(text)).toContain('after')
  })

  test('a reader waits while Postgres is frozen, does not spin, and reads on afterwards', async () => {
    const from = await end()
    await append('before')
    const stop = new AbortController()
    const reading = collect({ log, topic }, new Map([[0, from]]), stop.signal, 2)
    const thaw = freeze(server.pid)
    await sleep(1_500)
    thaw()
    await expect
      .poll(() =>
        append('after').then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    const values = (await reading).map(text)
    expect(values).toEqual(['before', 'after'])
    expect(errors.length).toBeLessThan(10)
  })

  test('close resolves within a few seconds while Postgres is frozen', async () => {
    await append('v')
    const stop = new AbortController()
    const reading = collect({ log, topic }, new Map([[0, await end()]]), stop.signal, 1)
    const thaw = freeze(server.pid)
    const pending = append('v').catch(() => 'rejected')
    const began = Date.now()
    await log.close()
    expect(Date.now() - began).toBeLessThan(15_000)
    thaw()
    expect(await pending).toBe('rejected')
    expect(await reading).toEqual([])
  })

  test('every acknowledged record survives a SIGKILL of Postgres', async () => {
    const from = await end()
    const stop = new AbortController()
    const acknowledged: string[] = []
    let appending = true
    const busy = (async () => {
      for (let i = 0; appending; i++)
        await append(`${i}`).then(
          () => acknowledged.push(`${i}`),
          () => sleep(20),
        )
    })()
    const seen: string[] = []
    const reading = collect(
      { log, topic },
      new Map([[0, from]]),
      stop.signal,
      Number.POSITIVE_INFINITY,
      (records) => seen.push(...records.map(text)),
    )
    await expect.poll(() => acknowledged.length).toBeGreaterThan(20)
    const killed = server.pid
    process.kill(killed, 'SIGKILL')
    await expect.poll(() => server.pid, { timeout: 20_000 }).not.toBe(killed)
    const atKill = acknowledged.length
    await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(atKill + 20)
    appending = false
    await busy
    const expected = (await end()) - from
    const again = await readUntil({ log, topic }, new Map([[0, from]]), expected)
    const values = new Set(again.map(text))
    expect(acknowledged.filter((value) => !values.has(value))).toEqual([])
    // The reader that ran all the time, too, has seen every record once.
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(expected)
    stop.abort()
    await reading
    expect(seen).toEqual(again.map(text))
  })
})
