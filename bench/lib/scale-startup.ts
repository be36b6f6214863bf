import { TOPICS } from '../../contract/log/topics.ts'
import { createPostgresLog } from '../../core/log/postgres/postgres-log.ts'
import { fillManyDays } from '../../core/queries/testing/many-days.ts'
import { flightsInParts } from './flights.ts'
import type { BenchPostgres } from './machine.ts'
import { addCounts, type CountsSize } from './scale-counts.ts'
import { consume } from './scale-writes.ts'

/** Milliseconds from `worker.run()`. */
export interface StartupFigure {
  /** Rows of outcome_minute. */
  outcomes: number
  firstBatchMs: number
  maintainedMs: number
}

const EVENTS = 200_000
const OUTCOME_MINUTES = 300

/** A worker starts in a database of this size, with events in the log. */
export async function measureStartup(
  postgres: BenchPostgres,
  size: CountsSize,
): Promise<StartupFigure> {
  const url = await postgres.createDatabase()
  await fillManyDays(url, { ...size, eventsPerDay: 100 })
  const outcomes = await addCounts(url, { minutes: OUTCOME_MINUTES, buckets: 1 })
  const log = await createPostgresLog({ url, onError: console.error })
  const naming = () => ({ tenant: 'tenant-1', name: 'name_0' })
  for (const records of flightsInParts(EVENTS, 1_000, naming))
    await log.append(TOPICS.raw.name, records)
  await postgres.checkpoint()

  const began = performance.now()
  let firstBatchMs = Number.NaN
  const maintained = Promise.withResolvers<number>()
  const consumed = consume({
    url,
    log,
    events: EVENTS,
    retentionDays: size.days + 1,
    onFirstBatch: () => {
      firstBatchMs = performance.now() - began
    },
    onMaintained: () => maintained.resolve(performance.now() - began),
  })
  const maintainedMs = await Promise.race([maintained.promise, consumed.then(() => Number.NaN)])
  await consumed
  await log.close()
  await postgres.dropDatabase(url)
  return { outcomes, firstBatchMs, maintainedMs }
}
