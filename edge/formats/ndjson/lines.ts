import { LIMITS } from '../../../contract/limits.ts'
import { join } from '../../lib/bytes.ts'
import type { Fault } from '../ingest-format.ts'

/** One line that is not blank, without its newline; or why it cannot be read. */
export type Line = string | Fault

/** Splits bytes into lines; holds the one that has not ended yet, and nothing of one that is too long. */
export interface LineCutter {
  /** @param piece the next bytes; @returns the lines that end in them */
  push(piece: Uint8Array): Line[]
  /** The last line needs no newline. */
  end(): Line[]
}

const NEWLINE = 10
// A byte order mark is skipped at the start of each line: files are concatenated as they are.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const NOT_UTF8: Fault = { code: 'INVALID_UTF8', detail: 'the line is not valid UTF-8' }
const TOO_LONG: Fault = {
  code: 'EVENT_TOO_LARGE',
  detail: `the line is longer than ${LIMITS.ndjsonLineBytesMax / 1024} KiB`,
}

export function createLineCutter(): LineCutter {
  let begun: Uint8Array[] = []
  let begunBytes = 0
  let skipping = false

  /** The piece continues the current line. */
  function carry(piece: Uint8Array): void {
    if (skipping || piece.byteLength === 0) return
    begunBytes += piece.byteLength
    // A copy: a view of a few bytes would keep the whole chunk.
    if (begunBytes <= LIMITS.ndjsonLineBytesMax) begun.push(piece.slice())
    else {
      skipping = true
      begun = []
    }
  }

  return {
    push(piece) {
      const first = piece.indexOf(NEWLINE)
      if (first < 0) {
        carry(piece)
        return []
      }
      carry(piece.subarray(0, first))
      const tooLong: Line[] = skipping ? [TOO_LONG] : []
      const last = piece.lastIndexOf(NEWLINE)
      const whole = piece.subarray(skipping ? first + 1 : first, Math.max(last, first))
      const cut = read(skipping ? whole : join([...begun, whole], begunBytes + whole.byteLength))
      begun = []
      begunBytes = 0
      skipping = false
      carry(piece.subarray(last + 1))
      return tooLong.length > 0 ? [...tooLong, ...cut] : cut
    },
    end() {
      if (skipping) return [TOO_LONG]
      return read(join(begun, begunBytes))
    },
  }
}

/** All at once, since most texts are UTF-8; line by line when one of them is not. */
function read(bytes: Uint8Array): Line[] {
  const text = decode(bytes)
  if (text !== undefined) return withoutRuns(text).split('\n').map(withoutMark).filter(isNotBlank)
  const lines: Line[] = []
  for (let from = 0; from <= bytes.byteLength; ) {
    const newline = bytes.indexOf(NEWLINE, from)
    const to = newline < 0 ? bytes.byteLength : newline
    const line = decode(bytes.subarray(from, to))
    if (line === undefined) lines.push(NOT_UTF8)
    else if (isNotBlank(withoutMark(line))) lines.push(withoutMark(line))
    from = to + 1
  }
  return lines
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** Megabytes of newlines must not become millions of lines first. */
function withoutRuns(text: string): string {
  return text.includes('\n\n') ? text.replace(/\n\n+/g, '\n') : text
}

function withoutMark(line: string): string {
  return line.charCodeAt(0) === 0xfeff ? line.slice(1) : line
}

/** JSON's own white space, which includes the \r of a CRLF. */
function isNotBlank(line: string): boolean {
  return line.charCodeAt(0) === 0x7b || !/^[ \t\r]*$/.test(line)
}
