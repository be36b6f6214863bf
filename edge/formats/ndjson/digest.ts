import { LIMITS } from '../../../contract/limits.ts'
import type { Line } from './lines.ts'

/**
 * Identifies a stream of lines, for its Idempotency-Key. crypto.subtle digests only complete inputs, so
 * it is a chain: the lines are gathered into blocks that depend on nothing but
 * the lines themselves, and each block is digested together with the digest of all before it.
 */
export interface LineDigest {
  add(lines: readonly Line[]): Promise<void>
  /** Of all lines so far, in hex. */
  value(): Promise<string>
}

export function createLineDigest(): LineDigest {
  let chain: Uint8Array = new Uint8Array()
  let block: string[] = []
  let chars = 0
  return {
    async add(lines) {
      for (const line of lines) {
        block.push(digestText(line))
        chars += digestText(line).length
        if (block.length < LIMITS.ndjsonBatchLinesMax && chars < LIMITS.ndjsonBatchCharsMax)
          continue
        chain = await digest(chain, block)
        block = []
        chars = 0
      }
    },
    async value() {
      const bytes = await digest(chain, block)
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    },
  }
}

/** Lines that cannot be read have the same outcome whatever they hold; no line looks like this one. */
function digestText(line: Line): string {
  return typeof line === 'string' ? line : `\n${line.code}`
}

async function digest(before: Uint8Array, block: readonly string[]): Promise<Uint8Array> {
  const text = new TextEncoder().encode(block.join('\n'))
  const input = new Uint8Array(before.byteLength + text.byteLength)
  input.set(before)
  input.set(text, before.byteLength)
  return new Uint8Array(await crypto.subtle.digest('SHA-256', input))
}
