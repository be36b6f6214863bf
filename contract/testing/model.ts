import { parseExactly } from '../json/exact-parse.ts'

/**
 * An independent model of `normalise`: written from the documentation, slow, and sharing no code with it
 * except the JSON parser. Tests compare the two.
 */

type Json = Record<string, unknown>

/** The canonical event, without `event_id` and `occurred_at` where the client sent none. */
export type ExpectedEvent = Json

const NAMES = {
  event_id: ['event_id', 'eventId'],
  name: ['event_name', 'eventName', 'event_type', 'eventType', 'event', 'name'],
  occurred_at: ['occurred_at', 'occurredAt', 'timestamp'],
  actor: ['actor', 'user_id', 'userId'],
  session: ['session', 'session_id', 'sessionId'],
  source: ['source'],
  value: ['value'],
  properties: ['properties', 'payload'],
  context: ['context', 'metadata'],
  schema_version: ['schema_version', 'schemaVersion'],
} as const
const ALL_NAMES: readonly string[] = Object.values(NAMES).flat()
const INVALID = Symbol('wrong')
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** @param sent a result of JSON.parse @returns undefined where the event must be rejected */
export function expectedOf(sent: unknown): ExpectedEvent | undefined {
  if (!isObject(sent)) return undefined
  const left = new Map(Object.entries(sent))
  if (left.has('__proto__')) return undefined
  const found: Json = {}
  for (const [field, names] of Object.entries(NAMES)) {
    const name = names.find((synonym) => left.has(synonym) && left.get(synonym) !== null)
    if (name === undefined) continue
    const read = READ[field as keyof typeof READ](left.get(name))
    if (read === INVALID) return undefined
    found[field] = read
    left.delete(name)
  }
  if (found.name === undefined) return undefined
  for (const name of ALL_NAMES) if (left.get(name) === null) left.delete(name)

  const own = (found.properties ?? {}) as Json
  const rest = Object.fromEntries(left)
  const parts = [rest, own, (found.context ?? {}) as Json]
  if (!parts.every((part) => storable(part, 1))) return undefined
  if (parts.reduce((sum, part) => sum + keysIn(part), 0) > 1_000) return undefined
  for (const [name, value] of left)
    if (Object.hasOwn(own, name) && JSON.stringify(own[name]) !== JSON.stringify(value))
      return undefined
  const event: Json = { ...found, properties: { ...rest, ...own } }
  const whole = { event_id: 'x'.repeat(36), occurred_at: '2026-11-21T09:00:00.123Z', ...event }
  if (new TextEncoder().encode(JSON.stringify(whole)).length > 65_536) return undefined
  // JSON.stringify drops the sign of zero.
  return parseExactly(JSON.stringify(event)) as Json
}

const READ: Record<keyof typeof NAMES, (value: unknown) => unknown> = {
  event_id: (id) =>
    typeof id === 'string' && /^[!-~]{1,128}$/.test(id)
      ? UUID.test(id)
        ? id.toLowerCase()
        : id
      : INVALID,
  name(sent) {
    if (typeof sent !== 'string' || !storableText(sent)) return INVALID
    const name = sent.normalize('NFC').trim()
    const visible = [...name].some(isVisible)
    const oneLine = ![...name].some(breaksLines)
    if (name === '*' || name === '(other)' || !visible || !oneLine) return INVALID
    return sized(name, 255) && !name.startsWith('$') ? name : INVALID
  },
  occurred_at: (time) => momentOf(time) ?? INVALID,
  actor: label,
  session: label,
  source: label,
  value: (value) => (typeof value === 'number' && Math.abs(value) <= 1e290 ? value : INVALID),
  properties: (value) => (isObject(value) ? value : INVALID),
  context: (value) => (isObject(value) ? value : INVALID),
  schema_version(sent) {
    const text = Number.isSafeInteger(sent) ? `${sent}` : sent
    return typeof text === 'string' && /^[!-~]{1,64}$/.test(text) ? text : INVALID
  },
}

function isVisible(character: string): boolean {
  return !/\p{Z}|\p{Cf}|\p{DI}|\p{Cc}/u.test(character) && character !== '\u2800'
}

function breaksLines(character: string): boolean {
  const code = character.codePointAt(0) as number
  return code < 32 || (code >= 127 && code < 160) || code === 0x2028 || code === 0x2029
}

function label(sent: unknown): unknown {
  const text = Number.isSafeInteger(sent) ? `${sent}` : sent
  return typeof text === 'string' && sized(text, 255) && storableText(text) ? text : INVALID
}

function sized(text: string, max: number): boolean {
  const { length } = Array.from(text)
  return length >= 1 && length <= max
}

function storableText(text: string): boolean {
  return !text.includes('\u0000') && !/\p{Surrogate}/u.test(text)
}

function storable(value: unknown, level: number): boolean {
  if (typeof value === 'string') return storableText(value)
  if (typeof value !== 'object' || value === null) return true
  if (level > 32) return false
  if (Array.isArray(value)) return value.every((item) => storable(item, level + 1))
  return Object.entries(value).every(
    ([key, member]) =>
      key !== '__proto__' && key.length <= 256 && storableText(key) && storable(member, level + 1),
  )
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const own = Array.isArray(value) ? 0 : Object.keys(value).length
  return Object.values(value).reduce((sum: number, member) => sum + keysIn(member), own)
}

/** RFC 3339, or a number whose unit follows from its size. */
function momentOf(sent: unknown): string | undefined {
  if (typeof sent === 'number') return momentOfNumber(sent)
  if (typeof sent !== 'string') return undefined
  const parts =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d):(\d\d)(\.\d{1,12})?(?:(Z)|([+-])(\d\d):(\d\d))$/i.exec(sent)
  if (!parts) return undefined
  const [, day, minute, second, fraction = '', , sign, hours = '0', minutes = '0'] = parts
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined
  // Date accepts 30 February, so the result is compared with what was sent.
  const leap = second === '60'
  const plain = `${day}T${minute}:${leap ? '59' : second}Z`
  const date = new Date(plain)
  if (Number.isNaN(date.getTime()) || date.toISOString() !== plain.replace('Z', '.000Z'))
    return undefined
  if (day?.startsWith('0000')) return undefined
  const east = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  const utc = new Date(date.getTime() - east * 60_000 + (leap ? 1_000 : 0))
  const text = utc.toISOString()
  if (leap && !text.endsWith('T00:00:00.000Z')) return undefined
  if (!/^\d{4}-/.test(text) || text.startsWith('0000')) return undefined
  return `${text.slice(0, 19)}${fraction.slice(0, 7)}Z`
}

function momentOfNumber(sent: number): string | undefined {
  const size = Math.abs(sent)
  if (size >= 1e17) return undefined
  const perSecond = size < 1e11 ? 1n : size < 1e14 ? 1_000n : 1_000_000n
  const whole = Math.floor(sent)
  const part = Math.round((sent - whole) * (1e6 / Number(perSecond)))
  const micros = BigInt(whole) * (1_000_000n / perSecond) + BigInt(part)
  const seconds = micros >= 0n ? micros / 1_000_000n : -((999_999n - micros) / 1_000_000n)
  const rest = `${micros - seconds * 1_000_000n}`.padStart(6, '0')
  const date = new Date(Number(seconds) * 1_000)
  const text = Number.isNaN(date.getTime()) ? '+' : date.toISOString()
  if (!/^\d{4}-/.test(text) || text.startsWith('0000')) return undefined
  const digits = rest === '000000' ? '' : `.${rest.replace(/000$/, '')}`
  return `${text.slice(0, 19)}${digits}Z`
}

/** Whether JSON text contains a number that would be written as another one. */
export function losesNumbers(text: string): boolean {
  const numbers = text.replace(/"(?:[^"\\]|\\.)*"/gs, '""').match(/-?\d+(\.\d+)?([eE][+-]?\d+)?/g)
  return (numbers ?? []).some((written) => {
    const value = Number(written)
    if (!Number.isFinite(value)) return true
    if (value === 0) return /[1-9]/.test(written.replace(/[eE].*/, ''))
    return /^-?\d+$/.test(written) && BigInt(written) !== toBigInt(JSON.stringify(value))
  })
}

function toBigInt(text: string): bigint {
  const [digits = '', exponent = '0'] = text.split('e+')
  const [whole = '', fraction = ''] = digits.split('.')
  return BigInt(`${whole}${fraction.padEnd(Number(exponent), '0')}`)
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
