import pg from 'pg'
import {
  PARTITIONED_TABLES,
  type PartitionedTable,
  partitionsOf,
} from '../db/tables/partitioned-tables.ts'
import { BackupError, type FileEntry } from './manifest.ts'

/** Of `event_20261130` or `rollup_15m_202611`; `…_earlier` has no number of its own. */
const SUFFIX = /_(\d{4})(\d\d)(\d\d)?(_earlier)?$/
const FIRST_YEAR = 1970
const LAST_YEAR = 2200

/** Creates the partitions that these files have rows of. @throws BackupError for names that no partition has */
export async function ensurePartitions(
  databaseUrl: string,
  files: readonly FileEntry[],
): Promise<void> {
  const wanted = new Map<PartitionedTable, Set<number>>()
  for (const { name, table, partition } of files) {
    if (partition === null) continue
    const [, year = '', month = '', day = '01', earlier] = SUFFIX.exec(partition) ?? []
    const ms = Date.UTC(Number(year), Number(month) - 1, Number(day))
    const isTime = Number(year) >= FIRST_YEAR && Number(year) <= LAST_YEAR && !Number.isNaN(ms)
    if (!isTime || !Object.hasOwn(PARTITIONED_TABLES, table))
      throw new BackupError(`The file ${name} is of no partition.`)
    const numbers = wanted.get(table as PartitionedTable) ?? new Set()
    if (!earlier) numbers.add(PARTITIONED_TABLES[table as PartitionedTable].unit.numberOf(ms))
    wanted.set(table as PartitionedTable, numbers)
  }
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 2,
    connectionTimeoutMillis: 10_000,
    statement_timeout: 60_000,
  })
  pool.on('error', () => {})
  try {
    for (const [table, numbers] of wanted) await partitionsOf(pool, table).ensure(numbers)
  } finally {
    await pool.end()
  }
}
