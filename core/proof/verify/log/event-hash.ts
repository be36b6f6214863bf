import { hash } from 'node:crypto'
import { parseExactly } from '../../../../contract/json/exact-parse.ts'
import { eventUuid } from '../../../db/event-uuid.ts'

/**
 * What is stored of an event as 32 bits, computed by Postgres from its row and here from its record in the log. Tenant,
 * id, trust class, times, name, actor, session, source, value, properties, context and schema version are in it: a row that
 * was changed in any of them has another one, but for one in four billion.
 */
export const EVENT_HASH_SQL = `('x' || left(md5(concat_ws(E'\\x1f', tenant_id, event_id, coalesce(trust_class, 'server'),
  encode(timestamptz_send(received_at), 'hex'), encode(timestamptz_send(occurred_at), 'hex'), name, coalesce(actor, E'\\x01'),
  coalesce(session, E'\\x01'), coalesce(source, E'\\x01'), coalesce(encode(float8send(value), 'hex'), E'\\x01'), properties::text,
  coalesce(context::text, E'\\x01'), coalesce(schema_version, E'\\x01'))), 8))::bit(32)::int`

export interface HashedRecord {
  tenant: string
  eventId: string
  /** As eventUuid gives it. */
  key: string
  receivedMs: number
  hash: number
}

/** @returns undefined where the record holds no event that could be stored */
export function readHashedRecord(
  value: Buffer,
  tenantOf: (name: string) => number | undefined,
): HashedRecord | undefined {
  const record = parse(value)
  const event = record?.event as Record<string, unknown> | undefined
  if (record === undefined || typeof event !== 'object' || event === null) return undefined
  const { tenant, received_at, trust } = record
  const { event_id: eventId, occurred_at, properties } = event
  if (typeof tenant !== 'string' || typeof eventId !== 'string' || typeof properties !== 'object')
    return undefined
  const tenantId = tenantOf(tenant)
  const received = microsHex(received_at)
  const occurred = microsHex(occurred_at)
  if (tenantId === undefined || received === undefined || occurred === undefined) return undefined
  const trustClass = trust === 'public' ? 'public' : 'server'
  const key = eventUuid(eventId, trustClass)
  const text = [
    ...[tenantId, key, trustClass, received, occurred, event.name],
    ...[event.actor, event.session, event.source].map((each) => each ?? NULL),
    typeof event.value === 'number' ? doubleHex(event.value) : NULL,
    jsonbText(properties),
    event.context === undefined ? NULL : jsonbText(event.context),
    event.schema_version ?? NULL,
  ].join('\x1f')
  return {
    ...{ tenant, eventId, key, receivedMs: Date.parse(received_at as string) },
    hash: Number.parseInt(hash('md5', text, 'hex').slice(0, 8), 16) | 0,
  }
}

const NULL = '\x01'

function parse(value: Buffer): Record<string, unknown> | undefined {
  try {
    const found = parseExactly(value.toString('utf8'))
    return typeof found === 'object' && found !== null
      ? (found as Record<string, unknown>)
      : undefined
  } catch {
    // It has to be a dead letter then, which is looked up.
    return undefined
  }
}

const POSTGRES_EPOCH_MS = 946_684_800_000
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,6}))?Z$/

/** Microseconds since 2000 as Postgres sends them, in hexadecimal digits. */
function microsHex(time: unknown): string | undefined {
  const found = typeof time === 'string' ? TIME.exec(time) : null
  if (!found) return undefined
  const ms = Date.parse(found[0].slice(0, 19).concat('Z'))
  if (Number.isNaN(ms)) return undefined
  const micros = (ms - POSTGRES_EPOCH_MS) * 1000 + Number((found[1] ?? '').padEnd(6, '0'))
  if (micros >= 0 && Number.isSafeInteger(micros)) return micros.toString(16).padStart(16, '0')
  const exact = BigInt(ms - POSTGRES_EPOCH_MS) * 1000n + BigInt((found[1] ?? '').padEnd(6, '0'))
  return BigInt.asUintN(64, exact).toString(16).padStart(16, '0')
}

const double = Buffer.alloc(8)

function doubleHex(value: number): string {
  double.writeDoubleBE(value)
  return double.toString('hex')
}

/** A value as jsonb prints it: shorter keys first, blanks after `:` and `,`, numbers without an exponent. */
export function jsonbText(value: unknown): string {
  if (typeof value === 'string') return stringText(value)
  if (typeof value === 'number') return numberText(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(jsonbText).join(', ')}]`
  let text = '{'
  for (const { key, name } of membersOf(value)) {
    if (text.length > 1) text += ', '
    text += name + jsonbText((value as Record<string, unknown>)[key])
  }
  return `${text}}`
}

/** Most texts need no escape. */
function stringText(value: string): string {
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(value) ? `"${value}"` : JSON.stringify(value)
}

interface Member {
  key: string
  /** The key as it is printed. */
  name: string
}

/** Events of one kind have the same keys: they are sorted once. */
const shapes = new Map<string, readonly Member[]>()
const SHAPES_MAX = 1_000

function membersOf(object: object): readonly Member[] {
  const keys = Object.keys(object)
  const shape = keys.join('\0')
  let members = shapes.get(shape)
  if (!members) {
    members = keys.sort(compareKeys).map((key) => ({ key, name: `${JSON.stringify(key)}: ` }))
    if (shapes.size >= SHAPES_MAX) shapes.clear()
    shapes.set(shape, members)
  }
  return members
}

/** By the length in bytes, then by the bytes. */
function compareKeys(a: string, b: string): number {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length - right.length || Buffer.compare(left, right)
}

function numberText(value: number): string {
  const text = String(value)
  if (!text.includes('e')) return Object.is(value, -0) ? '0' : text
  const [mantissa = '', exponent = ''] = text.split('e')
  const sign = mantissa.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  return sign + digits.padEnd(point, '0')
}
