import { LIMITS } from '../../contract/limits.ts'
import type { LogRecord } from '../log/log.ts'

/**
 * What the double entry needs of a record. Read by code of its own, which has nothing in common with the worker's
 * decoder (contract/log/record.ts): one bug must not hide in both.
 */
export interface CountedRecord {
  offset: number
  /** As the record states it; undefined where it states none. */
  tenant: string | undefined
  /** Of receipt, in minutes since 1970: as stated, or of the log where that cannot be believed. */
  minute: number
}

export interface CountedEvent extends CountedRecord {
  eventId: string
  trust: 'public' | 'server'
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** A record as every edge writes it begins like this. */
const PREFIX =
  /^\{"v":1,"tenant":"([^"\\]{1,255})","key":"[^"\\]{1,255}","request_id":"[^"\\]{1,255}","received_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)","edge":"[^"\\]{1,255}"/
const PREFIX_BYTES_MAX = 1_200
const TENANT_KEY = '"tenant":'
const RECEIVED_KEY = '"received_at":'
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/

/**
 * Reads records one after the other. Those of one request begin alike, so most cost the comparison of some bytes.
 * @param nowMs by Postgres' clock: times that no worker believes are held to it
 */
export function createCountDecoder(nowMs: () => number) {
  let prefix = Buffer.alloc(0)
  let tenant = ''
  let receivedMs = Number.NaN

  return function decode({ value, timestamp, offset }: LogRecord): CountedRecord {
    const isLikeLast =
      prefix.length > 0 &&
      value.length > prefix.length &&
      value.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
    if (!isLikeLast) {
      const found = PREFIX.exec(value.toString('latin1', 0, PREFIX_BYTES_MAX))
      if (!found) {
        prefix = Buffer.alloc(0)
        return { offset, ...decodeWhole(value, timestamp, nowMs()) }
      }
      prefix = Buffer.from(value.subarray(0, found[0].length))
      tenant = found[1] as string
      receivedMs = Date.parse(found[2] as string)
    }
    // A field that comes twice counts as its last one; a property of that name is read in full, too.
    const rest = value.toString('latin1', prefix.length)
    if (rest.includes(TENANT_KEY) || rest.includes(RECEIVED_KEY))
      return { offset, ...decodeWhole(value, timestamp, nowMs()) }
    return { offset, tenant, minute: minuteOf(receivedMs, timestamp, nowMs()) }
  }
}

/** Any other record, parsed as a whole. */
function decodeWhole(
  value: Buffer,
  timestamp: number,
  nowMs: number,
): Omit<CountedRecord, 'offset'> {
  const record = parse(value)
  const tenant =
    typeof record?.tenant === 'string' && record.tenant !== '' ? record.tenant : undefined
  const isRecord =
    record?.v === 1 &&
    ['tenant', 'key', 'request_id', 'received_at', 'edge'].every((field) => isLabel(record[field]))
  const received = isRecord ? String(record.received_at) : ''
  const receivedMs = TIME.test(received) ? Date.parse(received) : Number.NaN
  return { tenant, minute: minuteOf(receivedMs, timestamp, nowMs) }
}

/** The id and trust class of a record's event; undefined where it has none. */
export function readEventOf(
  value: Buffer,
): { eventId: string; trust: 'public' | 'server' } | undefined {
  const record = parse(value)
  const { event_id: eventId } = (record?.event ?? {}) as { event_id?: unknown }
  if (typeof eventId !== 'string') return undefined
  return { eventId, trust: record?.trust === 'public' ? 'public' : 'server' }
}

function parse(value: Buffer): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(value.toString('utf8'))
    return typeof found === 'object' && found !== null && !Array.isArray(found)
      ? (found as Record<string, unknown>)
      : undefined
  } catch {
    // What is not JSON states nothing, and is counted all the same.
    return undefined
  }
}

function isLabel(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= LIMITS.labelCharsMax
}

/** NaN, or a time far from when the log took the record, counts in the minute of the log. */
function minuteOf(receivedMs: number, timestamp: number, nowMs: number): number {
  const waited = timestamp - receivedMs
  const age = nowMs - receivedMs
  const isBelieved =
    waited <= LIMITS.receivedAgeDaysMax * DAY_MS &&
    waited >= -DAY_MS &&
    age <= LIMITS.logAgeDaysMax * DAY_MS &&
    age >= -DAY_MS
  const logged = Math.max(
    nowMs - LIMITS.logAgeDaysMax * DAY_MS,
    Math.min(timestamp, nowMs + DAY_MS),
  )
  return Math.floor((isBelieved ? receivedMs : logged) / MINUTE_MS)
}
