import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { TOPICS } from '../../contract/log/topics.ts'
import { createTestDatabase } from '../../tests/lib/database.ts'
import { rawRecord, rawValue } from '../../tests/lib/records.ts'
import { startWorkerProcess } from '../../tests/lib/worker-process.ts'
import { createPostgresLog } from '../log/postgres/postgres-log.ts'
import { readBalance } from './balance.ts'
import { verify } from './verify/verify.ts'

const KILLS = 8
const RECORDS_A_ROUND = 1_000

test('the balance is 0 and a verification clean after workers, and the count with them, were killed under load', async () => {
  const database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  const log = await createPostgresLog({ url: database.url })
  let worker: ChildProcess | undefined
  const start = () => startWorkerProcess(database.url)
  const read = () =>
    readBalance((text, values) => database.pool.query(text, values), {
      ...{ fromMs: Date.now() - 86_400_000, toMs: Date.now() + 86_400_000, rowsMax: 10_000 },
    })
  try {
    worker = start()
    for (let round = 0; round < KILLS; round++) {
      const records = Array.from({ length: RECORDS_A_ROUND }, (_, i) =>
        i % 50 === 7
          ? rawValue('{"v":1,', `poison ${i}`)
          : rawRecord({
              ...(i % 40 === 9 && { tenant: 'nobody' }),
              event_id: `order-${i % 20 === 3 ? round - 1 : round}-${i}`,
              actor: `actor-${i % 40}`,
              name: `event_${i % 5}`,
              value: i / 3,
            }),
      )
      for (let i = 0; i < records.length; i += 250)
        await log.append(TOPICS.raw.name, records.slice(i, i + 250))
      await sleep(300 + Math.random() * 1_500)
      worker.kill('SIGKILL')
      await once(worker, 'exit')
      // Whatever was interrupted, nothing is unaccounted: it is in flight.
      expect((await read()).minutes.filter(({ unaccounted }) => unaccounted !== 0)).toEqual([])
      worker = start()
    }
    await expect
      .poll(
        async () => {
          const { minutes, uncounted } = await read()
          const sum = (of: (minute: (typeof minutes)[number]) => number) =>
            minutes.reduce((total, minute) => total + of(minute), 0)
          return [uncounted, sum((each) => each.accepted), sum((each) => each.inFlight)]
        },
        { timeout: 60_000, interval: 500 },
      )
      .toEqual([0, KILLS * RECORDS_A_ROUND, 0])
    expect((await read()).minutes.filter(({ unaccounted }) => unaccounted !== 0)).toEqual([])
    expect(await verify({ databaseUrl: database.url, log })).toMatchObject({
      clean: true,
      differences: [],
    })
    const { rows } = await database.pool.query('SELECT FROM unaccounted_minute')
    expect(rows).toEqual([])
  } finally {
    worker?.kill('SIGKILL')
    await log.close()
    await database.drop()
  }
})
