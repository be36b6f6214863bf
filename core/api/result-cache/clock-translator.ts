import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'

/** Translates between this process's clock and that of Postgres, which all cores share. */
export interface ClockTranslator {
  /** A time of Postgres that is surely not after this local one. Rejects when Postgres is unavailable. */
  toDatabase(localMs: number): Promise<number>
  /** A local time that is surely not after this one of Postgres. */
  fromDatabase(databaseMs: number): Promise<number>
}

/** Two clocks drift apart by less than a millisecond in that time. */
const MEASURED_EVERY_MS = 10_000

/** Postgres' clock minus ours, between two bounds: it was read at some moment between question and response. */
interface Offset {
  min: number
  max: number
}

/** Milliseconds since the epoch that never step, as the machine's clock may. */
export const monotonicNow = (): number => performance.timeOrigin + performance.now()

export function createClockTranslator(db: Database, now = monotonicNow): ClockTranslator {
  let measured: { at: number; offset: Promise<Offset> } | undefined

  async function measure(): Promise<Offset> {
    const sentAt = now()
    const { rows } = await sql<{ ms: number }>`
      SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`.execute(db)
    const { ms } = rows[0] as { ms: number }
    return { min: ms - now(), max: ms - sentAt }
  }

  function offset(): Promise<Offset> {
    if (!measured || now() - measured.at >= MEASURED_EVERY_MS) {
      const offset = measure()
      measured = { at: now(), offset }
      offset.catch(() => {
        measured = undefined
      })
    }
    return measured.offset
  }

  return {
    toDatabase: async (localMs) => localMs + (await offset()).min,
    fromDatabase: async (databaseMs) => databaseMs - (await offset()).max,
  }
}
