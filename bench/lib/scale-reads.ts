import pg from 'pg'
import { createDatabase } from '../../core/db/database.ts'
import { findContext, QUERY_CASES } from '../../core/queries/testing/every-query.ts'
import { fillManyDays } from '../../core/queries/testing/many-days.ts'
import {
  costOf,
  noteStatements,
  type Statement,
  type StatementCost,
} from '../../core/queries/testing/statement-cost.ts'
import type { BenchPostgres } from './machine.ts'
import { median } from './run-arms.ts'
import { addCounts, type CountsSize } from './scale-counts.ts'

/** Of one query: times are sums over its statements, counts are those of the statement with the most. */
export interface ReadFigure extends StatementCost {
  title: string
  statements: number
  /** On a connection that has planned nothing yet. */
  coldPlanningMs: number
}

const EVENTS_PER_DAY = 500
const REPETITIONS = 5
const OUTCOME_MINUTES = 300
const BUCKETS_PER_SERIES = 8

/** Every query function in a database of this size. */
export async function measureReads(
  postgres: BenchPostgres,
  size: CountsSize,
): Promise<ReadFigure[]> {
  const url = await postgres.createDatabase()
  await fillManyDays(url, { ...size, eventsPerDay: EVENTS_PER_DAY })
  await addCounts(url, { minutes: OUTCOME_MINUTES, buckets: BUCKETS_PER_SERIES })
  const db = createDatabase(url, { role: 'sluice_read' })
  const context = await findContext(db, size.days)
  const figures: ReadFigure[] = []
  for (const { title, run } of QUERY_CASES) {
    const statements: Statement[] = []
    await run(noteStatements(db, statements), context)
    figures.push({ title, ...(await measure(url, statements)) })
  }
  await db.destroy()
  await postgres.dropDatabase(url)
  return figures
}

async function measure(url: string, statements: readonly Statement[]) {
  const runs: StatementCost[][] = []
  const client = new pg.Client({
    connectionString: url,
    options: '-c role=sluice_read -c sluice.tenant=all -c timezone=UTC -c jit=off -c work_mem=32MB',
  })
  await client.connect()
  for (let i = 0; i <= REPETITIONS; i++) {
    const costs: StatementCost[] = []
    for (const statement of statements) costs.push(await costOf(client, statement))
    runs.push(costs)
  }
  await client.end()
  const [cold = [], ...warm] = runs
  const total = (costs: readonly StatementCost[], key: 'planningMs' | 'executionMs') =>
    costs.reduce((sum, cost) => sum + cost[key], 0)
  const most = (key: 'locks' | 'partitionsPlanned' | 'partitionsRead' | 'rowsRead') =>
    Math.max(0, ...cold.map((cost) => cost[key]))
  return {
    statements: statements.length,
    coldPlanningMs: total(cold, 'planningMs'),
    planningMs: median(warm.map((costs) => total(costs, 'planningMs'))),
    executionMs: median(warm.map((costs) => total(costs, 'executionMs'))),
    locks: most('locks'),
    partitionsPlanned: most('partitionsPlanned'),
    partitionsRead: most('partitionsRead'),
    rowsRead: most('rowsRead'),
  }
}
