import { isUuid } from '../../../../contract/event/uuid.ts'
import type { Instant } from '../../instant.ts'

const HEX_OF_TIME = 12
const VERSION_AT = 14

/** The time in a UUIDv7, to the millisecond; undefined for any other text. */
export function timeOfUuid(text: string): Instant | undefined {
  if (!isUuid(text) || text[VERSION_AT] !== '7') return undefined
  const ms = Number.parseInt(text.replace('-', '').slice(0, HEX_OF_TIME), 16)
  return ms < Date.parse('9999-01-01T00:00:00Z') ? new Date(ms).toISOString() : undefined
}
