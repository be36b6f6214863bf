import type pg from 'pg'
import {
  createPartitions,
  DAYS,
  findExisting,
  type Partitions,
  type PartitionsDeps,
} from './partitions.ts'

export { DAY_MS, readToday } from './partitions.ts'

/** Partitions by day; days count from 1970-01-01, UTC. */
export function createDayPartitions(deps: Omit<PartitionsDeps, 'unit'>): Partitions {
  return createPartitions({ ...deps, unit: DAYS })
}

export function dayTable(table: string, day: number): string {
  return `${table}_${DAYS.suffixOf(day)}`
}

export function isoDay(day: number): string {
  return DAYS.startOf(day)
}

export async function existingDays(
  client: Pick<pg.ClientBase, 'query'>,
  table: string,
): Promise<Set<number>> {
  return (await findExisting(client, table, DAYS)).numbers
}
