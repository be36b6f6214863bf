import { readBatch } from '../contract/batch.ts'
import type { Step } from './context.ts'
import { readBody } from './read-body.ts'
import { Refused } from './refuse.ts'
import type { Room } from './room.ts'

// A byte order mark is skipped, anything that is not UTF-8 throws.
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Are these events? What each of them holds is looked at later, one by one. */
export function readEvents(room: Room): Step {
  return async (c, next) => {
    const bytes = await readBody(c.req.raw)
    const leave = room.enter(bytes.byteLength)
    try {
      const read = readBatch(decode(bytes))
      if (!read.ok) throw new Refused(read.code, { detail: read.detail })
      c.set('events', { single: read.single, items: read.items, bytes })
      return await next()
    } finally {
      leave()
    }
  }
}

function decode(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new Refused('INVALID_UTF8')
  }
}
