import { uuidV5 } from '../../../contract/event/uuid.ts'
import { LIMITS } from '../../../contract/limits.ts'

/**
 * `source` and `id` together identify an event; so the same two give the same event id, and no other two
 * do. Readable where it fits (`/shop|order-17`), else a UUIDv5 of both: that form contains
 * no `|`, and the readable one always does.
 */
export async function eventIdOf(source: string, id: string): Promise<string> {
  if (source.length + id.length < LIMITS.eventIdCharsMax) {
    const readable = `${escaped(source)}|${escaped(id)}`
    if (readable.length <= LIMITS.eventIdCharsMax) return readable
  }
  // JSON of both, so that the boundary is unambiguous.
  return uuidV5(JSON.stringify([source, id]))
}

/** Percent-encodes what is not visible ASCII, the separator, and the percent sign itself. */
function escaped(text: string): string {
  return text.replace(/[^\x21-\x7e]|[%|]/gu, encodeURIComponent)
}
