import { hash } from 'node:crypto'
import { isUuid } from '../../contract/event/uuid.ts'

/**
 * The id under which Postgres keeps an event: a UUID as it is, any other id as the first 128 bits of
 * its SHA-256, marked as UUIDv8 so that it cannot collide with an id that was minted as v4 or v7.
 * @returns lower case, with dashes: as Postgres writes it
 */
export function eventUuid(eventId: string): string {
  if (isUuid(eventId)) return eventId
  const hex = hash('sha256', eventId, 'hex')
  const variant = ((Number.parseInt(hex[16] as string, 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
