import {
  type KyselyPlugin,
  PostgresQueryCompiler,
  type RootOperationNode,
  type UnknownRow,
} from 'kysely'
import type pg from 'pg'
import type { Database } from '../../db/database.ts'

/** A statement as a query sent it. */
export interface Statement {
  sql: string
  parameters: readonly unknown[]
}

/** What one statement costs, beside its rows. */
export interface StatementCost {
  /** Tables and indexes that are locked until the transaction ends, parents included. */
  locks: number
  /** Tables of one day (or month) in the plan, and those that were read. */
  partitionsPlanned: number
  partitionsRead: number
  /** Rows that scans of tables found, those that a filter removed included. */
  rowsRead: number
  /** Milliseconds, as EXPLAIN reports them. */
  planningMs: number
  executionMs: number
}

/**
 * The same database, which also notes each statement.
 * @param statements gets them, in the order in which they were sent
 */
export function noteStatements(db: Database, statements: Statement[]): Database {
  const compiler = new PostgresQueryCompiler()
  const plugin: KyselyPlugin = {
    transformQuery({ node, queryId }): RootOperationNode {
      const { sql, parameters } = compiler.compileQuery(node, queryId)
      // Settings of a transaction have no plan.
      if (!sql.startsWith('SET ')) statements.push({ sql, parameters })
      return node
    },
    transformResult: async ({ result }) => result as typeof result & { rows: UnknownRow[] },
  }
  return db.withPlugin(plugin)
}

/** Oids below are of the system's own catalogs. */
const FIRST_NORMAL_OID = 16_384

const COUNT_LOCKS = `
  SELECT count(DISTINCT relation)::int AS locks FROM pg_locks
   WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation >= ${FIRST_NORMAL_OID}`

/** Executes the statement in a transaction of its own, which is rolled back. */
export async function costOf(
  client: pg.ClientBase,
  { sql, parameters }: Statement,
): Promise<StatementCost> {
  await client.query('BEGIN')
  try {
    const { rows: explained } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, [
      ...parameters,
    ])
    const [explain] = explained[0]['QUERY PLAN'] as Explained[]
    if (!explain) throw new Error('EXPLAIN returned no plan')
    const { rows: counted } = await client.query<{ locks: number }>(COUNT_LOCKS)
    const partitions = new Map<string, boolean>()
    collectPartitions(explain.Plan, partitions)
    return {
      locks: counted[0]?.locks ?? 0,
      partitionsPlanned: partitions.size,
      partitionsRead: [...partitions.values()].filter((wasRead) => wasRead).length,
      rowsRead: countRows(explain.Plan),
      planningMs: explain['Planning Time'],
      executionMs: explain['Execution Time'],
    }
  } finally {
    await client.query('ROLLBACK')
  }
}

interface Explained {
  Plan: PlanNode
  'Planning Time': number
  'Execution Time': number
}

interface PlanNode {
  'Relation Name'?: string
  'Actual Loops': number
  /** An average over the loops, as is the next one. */
  'Actual Rows': number
  'Rows Removed by Filter'?: number
  Plans?: readonly PlanNode[]
}

/** @param found gets each partition, and whether it was read */
function collectPartitions(node: PlanNode, found: Map<string, boolean>): void {
  const name = node['Relation Name']
  if (name !== undefined && /_\d{6,8}$/.test(name))
    found.set(name, found.get(name) === true || node['Actual Loops'] > 0)
  for (const child of node.Plans ?? []) collectPartitions(child, found)
}

function countRows(node: PlanNode): number {
  const ofChildren = (node.Plans ?? []).reduce((sum, child) => sum + countRows(child), 0)
  // Not those of the system's own catalogs, which say which tables there are.
  if (node['Relation Name']?.startsWith('pg_') !== false) return ofChildren
  const each = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)
  return ofChildren + each * node['Actual Loops']
}
