import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { TOPICS } from '../../contract/log/topics.ts'
import { createTestDatabase } from '../../tests/lib/database.ts'
import { countTotals, rawRecord, rawValue } from '../../tests/lib/records.ts'
import { startWorkerProcess } from '../../tests/lib/worker-process.ts'
import { createPostgresLog } from '../log/postgres/postgres-log.ts'

const KILLS = 20
const RECORDS_A_ROUND = 1_500

test('a worker that is killed twenty times under load loses nothing and counts nothing twice', async () => {
  const database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  const log = await createPostgresLog({ url: database.url })
  let worker: ChildProcess | undefined
  const start = () => startWorkerProcess(database.url)

  const expected = { stored: 0, duplicates: 0, conflicting: 0, dead: 0 }
  try {
    worker = start()
    for (let round = 0; round < KILLS; round++) {
      const records = Array.from({ length: RECORDS_A_ROUND }, (_, i) => {
        // Some come again, also after the worker that stored them was killed; some are poison.
        if (i % 50 === 7) return rawValue('{"v":1,', `poison ${i}`)
        const again = i % 20 === 3 && round > 0
        const n = again ? i + 1 : i
        return rawRecord({
          event_id: `order-${again ? round - 1 : round}-${n}`,
          actor: `actor-${n % 40}`,
          name: `event_${n % 5}`,
          value: n / 3,
        })
      })
      for (const [i] of records.entries()) {
        if (i % 50 === 7) expected.dead++
        else if (i % 20 === 3 && round > 0) expected.duplicates++
        else expected.stored++
      }
      for (let i = 0; i < records.length; i += 500)
        await log.append(TOPICS.raw.name, records.slice(i, i + 500))
      // At a random moment: while it starts, reads, copies, commits or waits.
      await sleep(100 + Math.random() * 600)
      worker.kill('SIGKILL')
      await once(worker, 'exit')
      worker = start()
    }
    await expect
      .poll(
        async () => {
          const { stored, duplicates, conflicting, dead } = await countTotals(database.pool)
          return stored + duplicates + conflicting + dead
        },
        { timeout: 30_000, interval: 200 },
      )
      .toBe(KILLS * RECORDS_A_ROUND)
    expect(await countTotals(database.pool)).toEqual({ ...expected, wrongRollups: 0, double: 0 })
  } finally {
    worker?.kill('SIGKILL')
    await log.close()
    await database.drop()
  }
})
