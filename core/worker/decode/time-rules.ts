import type { Instant } from '../../../contract/event/time.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import type { LogRecord } from '../../log/log.ts'

/** Which times of a record can be believed. */
export interface TimeRules {
  nowMs: number
  /** How long ago a record may have been received at most. */
  ageDaysMax: number
}

/** When the log took the record; a producer that writes to Kafka directly may claim any time. */
export function loggedMs({ timestamp }: LogRecord, { nowMs, ageDaysMax }: TimeRules): number {
  return Math.max(nowMs - ageDaysMax * DAY_MS, Math.min(timestamp, nowMs + DAY_MS))
}

/** Why `received_at` cannot be believed, or undefined: it decides the partition of the event's day. */
export function receivedOutOfRange(
  received: Instant,
  record: LogRecord,
  { nowMs, ageDaysMax }: TimeRules,
): string | undefined {
  const waited = record.timestamp - received.ms
  if (!(waited <= LIMITS.receivedAgeDaysMax * DAY_MS && waited >= -DAY_MS))
    return `received_at is ${describeAge(waited)} the log took the record`
  // Each day of events is a table, so an invented time must not create any number of them.
  const age = nowMs - received.ms
  if (!(age <= ageDaysMax * DAY_MS && age >= -DAY_MS))
    return `received_at is ${describeAge(age)} it was read`
  return undefined
}

/** `12 s before` or, for a negative age, `12 s after`. */
export function describeAge(ms: number): string {
  return ms < 0 ? `${Math.round(-ms / 1000)} s after` : `${Math.round(ms / 1000)} s before`
}
