import type { ColumnType } from 'kysely'

/** Read as RFC 3339 in UTC with all digits that Postgres keeps (database.ts), because a Date loses microseconds. */
export type Time = ColumnType<string, string | Date, string | Date>
export type TimeWithDefault = ColumnType<string, string | Date | undefined, string | Date>
/** YYYY-MM-DD */
export type Day = ColumnType<string, string, string>
