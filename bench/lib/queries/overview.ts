import { eventsPage } from '../../../core/queries/events-page.ts'
import { eventsOverTime } from '../../../core/queries/metrics/events-over-time.ts'
import { outcomeCount } from '../../../core/queries/outcome-count.ts'
import { rangeTotals } from '../../../core/queries/range-totals.ts'
import { uniqueActors } from '../../../core/queries/unique-actors.ts'
import { at, type BenchQuery, type Month } from './query.ts'

/** What the page asks for, at the same time as it does: over 30 days, with the ten most frequent names one by one. */
export function overview({ startTime, endTime, within, startMs }: Month): BenchQuery {
  const month = { startTime, endTime }
  const range = { start: startTime, end: endTime }
  const names = Array.from({ length: 10 }, (_, i) => `name_${i}`)
  const previous = {
    start: at(2 * Date.parse(range.start) - Date.parse(range.end)),
    end: range.start,
  }
  return {
    title: "the Overview's set, 30 days",
    goalMs: 60,
    tolerance: 0.025,
    async run({ db, viewer }) {
      const [totals, actors, , whole, parts, , page] = await Promise.all([
        rangeTotals(db, viewer, { range, namesMax: 10 }),
        uniqueActors(db, viewer, { range }),
        uniqueActors(db, viewer, { range: previous }),
        eventsOverTime(db, viewer, { name: '*', ...month, interval: 'DAY' }),
        eventsOverTime(db, viewer, {
          name: '*',
          ...month,
          interval: 'DAY',
          groupBy: ['name'],
          filter: [{ dimension: 'name', in: names }],
        }),
        outcomeCount(db, viewer, { range, outcome: 'dead' }),
        eventsPage(db, viewer, { first: 20 }),
      ])
      const values = new Map([
        ['count', totals.count],
        ['actors', actors.rows[0] ?? 0],
        ['days', whole.rows.length],
        ['points', parts.rows.length],
        ['page', page.rows.length],
      ])
      return { values, source: `${totals.source}, ${actors.source}` }
    },
    plain: (d) => [
      `SELECT 'count', count(*) FROM ${d.event} WHERE ${within(startMs)}`,
      `SELECT 'actors', count(DISTINCT e.actor) FROM ${d.event} WHERE ${within(startMs)}`,
      `SELECT 'days', count(*) FROM (SELECT ${d.bucket('day', 'e.occurred_at', 'UTC')}, count(*) FROM ${d.event} WHERE ${within(startMs)} GROUP BY 1) t`,
      `SELECT 'points', count(*) FROM (SELECT ${d.bucket('day', 'e.occurred_at', 'UTC')}, e.name, count(*) FROM ${d.event}
        WHERE ${within(startMs)} AND e.name IN (${names.map((name) => `'${name}'`)}) GROUP BY 1, 2) t`,
      `SELECT 'page', count(*) FROM (SELECT e.* FROM ${d.event} ORDER BY e.occurred_at DESC LIMIT 20) t`,
    ],
  }
}
