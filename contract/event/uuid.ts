import type { TrustClass } from './trust-class.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Any version and variant, either case, in the hyphenated form that Postgres' uuid type accepts. */
export function isUuid(text: string): boolean {
  return text.length === 36 && UUID.test(text)
}

/**
 * A new UUIDv7 (RFC 9562 §5.7), sorted by time so that inserts touch the right edge of the index.
 * @param now milliseconds since the epoch
 */
export function uuidV7(now: number): string {
  // Version 4 has its random bits and variant where version 7 needs them, and one call to randomUUID
  // is cheaper than getRandomValues.
  const random = crypto.randomUUID()
  const time = now.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`
}

/**
 * UUIDv7s for one moment: the first is random, each next one is incremented (RFC 9562 §6.2, method 2), so they
 * sort in the order of the batch and random bits are drawn only once.
 */
export function uuidV7Series(now: number): (index: number) => string {
  const first = uuidV7(now)
  const prefix = first.slice(0, 30)
  const start = Number.parseInt(first.slice(30), 16)
  return (index) => {
    const last = (start + index) & 0xffffff
    return prefix + HEX[last >> 16] + HEX[(last >> 8) & 0xff] + HEX[last & 0xff]
  }
}

/** What the id of an event without one is derived from. */
export interface DerivedIdSource {
  tenant: string
  trust: TrustClass
  idempotencyKey: string
  /** Of the event in its request. */
  index: number
  /** Identifies what was sent: a digest of the body or, in a stream, the line itself. */
  content: string
}

/**
 * The id of an event in a request that carried an Idempotency-Key: UUIDv5 (RFC 9562 §5.5), so that a retry of
 * the request gives the same ids even when its idempotency record is gone, and another body under the
 * same key gives others, so that it is stored instead of being taken for the first one.
 */
export function derivedEventId(source: DerivedIdSource): Promise<string> {
  const { tenant, trust, idempotencyKey, index, content } = source
  // Only the content may contain a newline, and it comes last: no two sources share a name.
  return uuidV5(`${tenant}\n${trust}\n${idempotencyKey}\n${index}\n${content}`)
}

/**
 * The same name always gives the same id (RFC 9562 §5.5, in the project's namespace).
 * @param name names with a newline are reserved for `derivedEventId`
 */
export async function uuidV5(name: string): Promise<string> {
  const bytes = new TextEncoder().encode(name)
  const input = new Uint8Array(NAMESPACE.length + bytes.length)
  input.set(NAMESPACE)
  input.set(bytes, NAMESPACE.length)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-1', input))
  return format(digest.subarray(0, 16), 5)
}

/** The project's namespace, 6f1b3a52-7c0e-4d0b-9a53-51c1ce000001. It must never change. */
const NAMESPACE = new Uint8Array([
  0x6f, 0x1b, 0x3a, 0x52, 0x7c, 0x0e, 0x4d, 0x0b, 0x9a, 0x53, 0x51, 0xc1, 0xce, 0x00, 0x00, 0x01,
])

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Sets version and variant in place and formats the bytes. */
function format(bytes: Uint8Array, version: number): string {
  bytes[6] = ((bytes[6] as number) & 0x0f) | (version << 4)
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  let text = ''
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-'
    text += HEX[bytes[i] as number]
  }
  return text
}
