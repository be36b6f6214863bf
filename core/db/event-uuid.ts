import { hash } from 'node:crypto'
import type { TrustClass } from '../../contract/event/trust-class.ts'
import { isUuid } from '../../contract/event/uuid.ts'

/**
 * The id under which Postgres keeps an event. Of a server: a UUID as it is, any other id as the first 128 bits of
 * its SHA-256, marked as UUIDv8 so that it cannot collide with an id that was minted as v4 or v7. With a public key
 * every id is hashed, together with its class, so that nobody can find one that becomes the id of a server's event.
 * @returns lower case, with dashes: as Postgres writes it
 */
export function eventUuid(eventId: string, trust: TrustClass = 'server'): string {
  const isOne = isUuid(eventId)
  const id = isOne ? eventId.toLowerCase() : eventId
  if (trust === 'server') return isOne ? id : hashedUuid(id)
  // No event id contains NUL, so no id of a server has the same hash.
  const uuid = hashedUuid(`\0public\0${id}`)
  // The time in a UUIDv7 stays, so that what was sent together is still together in the index.
  return isOne && id[TIME_CHARS] === '7' ? id.slice(0, TIME_CHARS) + uuid.slice(TIME_CHARS) : uuid
}

/** Of the 48 bits at the front of a UUIDv7, with their dashes. */
const TIME_CHARS = '018f3a5c-7b2e-'.length

function hashedUuid(text: string): string {
  const hex = hash('sha256', text, 'hex')
  const variant = ((Number.parseInt(hex[16] as string, 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
