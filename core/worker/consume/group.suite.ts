import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { type CoreProcess, startCore } from '../../../tests/lib/core-process.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawRecord, rawValue } from '../../../tests/lib/records.ts'
import type { Log } from '../../log/log.ts'

export interface GroupUnderTest {
  log: Log
  /** How a worker process finds the log. */
  env: Record<string, string>
  close(): Promise<void>
}

/** Several workers as processes on one database: what each log has to keep right. */
export function groupSuite(name: string, make: (databaseUrl: string) => Promise<GroupUnderTest>) {
  describe(`several workers on the ${name} log`, () => {
    let database: TestDatabase
    let at: GroupUnderTest
    let workers: CoreProcess[]
    let load: Load

    beforeEach(async () => {
      database = await createTestDatabase()
      await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
      at = await make(database.url)
      workers = []
      load = startLoad(at.log)
    })
    afterEach(async () => {
      await load.stop().catch(() => {})
      for (const { process } of workers) {
        process.kill('SIGCONT')
        process.kill('SIGKILL')
      }
      await at.close()
      await database.drop()
    })

    async function start(): Promise<CoreProcess> {
      const worker = await startCore({ roles: ['worker'], databaseUrl: database.url, env: at.env })
      workers.push(worker)
      return worker
    }

    /** How many partitions each worker has, largest first. */
    async function shares(): Promise<number[]> {
      const { rows } = await database.pool.query<{ count: number }>(
        'SELECT count(*)::int FROM log_lease WHERE worker_id IS NOT NULL GROUP BY worker_id ORDER BY 1 DESC',
      )
      return rows.map(({ count }) => count)
    }

    async function holders(): Promise<string[]> {
      const { rows } = await database.pool.query<{ id: string }>(
        'SELECT DISTINCT worker_id AS id FROM log_lease WHERE worker_id IS NOT NULL',
      )
      return rows.map(({ id }) => id)
    }

    async function written(): Promise<number> {
      const { rows } = await database.pool.query(
        "SELECT sum(next_offset)::int AS n FROM log_position WHERE topic = 'events.raw'",
      )
      return rows[0].n
    }

    /** More is written than now, so the pipeline runs. */
    async function goesOn(timeout = 15_000): Promise<void> {
      const before = await written()
      await expect.poll(written, { timeout }).toBeGreaterThan(before + 500)
    }

    async function exact(): Promise<void> {
      const expected = await load.stop()
      const total = expected.stored + expected.duplicates + expected.dead
      await expect.poll(written, { timeout: 60_000, interval: 200 }).toBe(total)
      expect(await countTotals(database.pool)).toEqual({ ...expected, wrongRollups: 0, double: 0 })
      // Else it would prove nothing.
      expect(Math.min(expected.stored, expected.duplicates, expected.dead)).toBeGreaterThan(50)
    }

    test('divide the partitions as they join under load, and leave all of them to the last one', async () => {
      await start()
      await expect.poll(shares).toEqual([6])
      await goesOn()
      await start()
      await expect.poll(shares, { timeout: 10_000 }).toEqual([3, 3])
      const third = await start()
      await expect.poll(shares, { timeout: 10_000 }).toEqual([2, 2, 2])
      await goesOn()
      const began = Date.now()
      expect(await third.stop('SIGTERM')).toBe(0)
      await expect.poll(shares, { timeout: 10_000 }).toEqual([3, 3])
      expect(Date.now() - began).toBeLessThan(9_000)
      await goesOn()
      await workers[0]?.stop('SIGTERM')
      await expect.poll(shares, { timeout: 10_000 }).toEqual([6])
      await goesOn()
      await exact()
    })

    test('take over the partitions of a worker that is killed within seconds', async () => {
      await Promise.all([start(), start()])
      await expect.poll(shares, { timeout: 10_000 }).toEqual([3, 3])
      for (let round = 0; round < 4; round++) {
        await goesOn()
        await workers[round]?.stop('SIGKILL')
        await expect.poll(shares, { timeout: 5_000 }).toEqual([6])
        await start()
        await expect.poll(shares, { timeout: 10_000 }).toEqual([3, 3])
      }
      await exact()
    })

    test('take over the partitions of a worker that is frozen for longer than its lease, which writes nothing when it resumes', async () => {
      await start()
      await expect.poll(shares).toEqual([6])
      const frozen = workers[0] as CoreProcess
      const [first] = await holders()
      await goesOn()
      frozen.process.kill('SIGSTOP')
      await start()
      // Not at once: it may be only slow.
      await sleep(3_000)
      expect(await holders()).toContain(first)
      await expect.poll(holders, { timeout: 15_000 }).not.toContain(first)
      await expect.poll(shares).toEqual([6])
      await goesOn()
      frozen.process.kill('SIGCONT')
      // It joins again like a new one.
      await expect.poll(shares, { timeout: 15_000 }).toEqual([3, 3])
      await goesOn()
      await exact()
    })
  })
}

interface Load {
  /** @returns what has to have become of all that was appended */
  stop(): Promise<{ stored: number; duplicates: number; conflicting: number; dead: number }>
}

/** A batch every few milliseconds; a part of them comes again later, a part is poison. */
function startLoad(log: Log): Load {
  const expected = { stored: 0, duplicates: 0, conflicting: 0, dead: 0 }
  let loading = true
  const running = (async () => {
    for (let round = 0; loading; round++) {
      const records = Array.from({ length: 100 }, (_, i) => {
        // Not in every batch: a dead letter's place is unique, which would hide a batch that is written twice.
        if (round % 5 === 0 && i % 20 === 7) {
          expected.dead++
          return rawValue('{"v":1,', `poison ${i}`)
        }
        const again = i % 10 === 3 && round > 20
        expected[again ? 'duplicates' : 'stored']++
        const n = again ? i + 1 : i
        return rawRecord({
          event_id: `order-${again ? round - 20 : round}-${n}`,
          actor: `actor-${n % 40}`,
          name: `event_${n % 5}`,
          value: n / 3,
        })
      })
      await log.append(TOPICS.raw.name, records)
      await sleep(25)
    }
  })()
  return {
    async stop() {
      loading = false
      await running
      return expected
    },
  }
}
