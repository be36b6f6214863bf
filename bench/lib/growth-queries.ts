import type { Database } from '../../core/db/database.ts'
import { DAY_MS } from '../../core/db/partitions.ts'
import { tenantViewer } from '../../core/identity/viewer.ts'
import { eventById } from '../../core/queries/event-by-id.ts'
import { eventsPage } from '../../core/queries/events-page.ts'
import { eventsOverTime } from '../../core/queries/metrics/events-over-time.ts'
import type { MetricsInput } from '../../core/queries/metrics/metrics-args.ts'
import { rangeTotals } from '../../core/queries/range-totals.ts'
import { recentCounts } from '../../core/queries/recent-counts.ts'
import { uniqueActors } from '../../core/queries/unique-actors.ts'
import { TENANT } from './growth-fill.ts'
import { cpuSeconds } from './machine.ts'
import { median } from './run-arms.ts'

const REPETITIONS = 7
/** CPU time is counted in hundredths of a second. */
const CPU_SECONDS_MIN = 0.3
const CPU_REPETITIONS_MAX = 100

export interface QueryFigure {
  /** From the call to the result; median. */
  ms: number
  /** CPU milliseconds of Postgres each time: what the machine does meanwhile matters less. */
  cpuMs: number
}

/**
 * The main queries, about yesterday: as many events whatever the size. Those of all days read more rollups with each.
 * @returns by query
 */
export async function measureQueries(
  db: Database,
  postgresPid: number,
): Promise<Record<string, QueryFigure>> {
  const viewer = await tenantViewer(db, { kind: 'SESSION' }, TENANT)
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS
  const iso = (ms: number) => new Date(ms).toISOString()
  const day = { start: iso(today - DAY_MS), end: iso(today) }
  const over = (rest: Partial<MetricsInput>) => () =>
    eventsOverTime(db, viewer, { name: '*', startTime: day.start, endTime: day.end, ...rest })
  const [newest] = (await eventsPage(db, viewer, { first: 1 })).rows
  const queries: Record<string, () => Promise<unknown>> = {
    'metrics, a day by name': over({ interval: 'HOUR', groupBy: ['name'] }),
    'metrics, all days': over({ startTime: iso(today - 366 * DAY_MS), interval: 'DAY' }),
    'metrics, a day by a property': over({ interval: 'HOUR', groupBy: ['carrier'] }),
    'metrics, unique actors of a day': over({ interval: 'HOUR', aggregate: 'UNIQUES' }),
    'metrics, P95 of a day': over({ interval: 'HOUR', aggregate: 'P95' }),
    'totals of a day': () => rangeTotals(db, viewer, { range: day, namesMax: 10 }),
    'unique actors of a day': () => uniqueActors(db, viewer, { range: day }),
    'first page of events': () => eventsPage(db, viewer, { first: 100 }),
    'an event by its id': () => eventById(db, viewer, { id: newest?.node.id ?? '' }),
    'live numbers': () => recentCounts(db, viewer),
  }
  const figures: Record<string, QueryFigure> = {}
  for (const [title, run] of Object.entries(queries)) {
    // The first one reads what is not in memory.
    await run()
    const times: number[] = []
    const before = cpuSeconds(postgresPid)
    let cpu = 0
    while (
      times.length < REPETITIONS ||
      (cpu < CPU_SECONDS_MIN && times.length < CPU_REPETITIONS_MAX)
    ) {
      const began = performance.now()
      await run()
      times.push(performance.now() - began)
      cpu = cpuSeconds(postgresPid) - before
    }
    figures[title] = { ms: median(times), cpuMs: (cpu / times.length) * 1000 }
  }
  return figures
}
