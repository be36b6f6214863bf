import { LIMITS } from '../../../contract/limits.ts'
import { createLineCutter, type Line } from './lines.ts'
import { createPace } from './pace.ts'
import type { ProcessChunk } from './process-chunk.ts'
import type { Source } from './source.ts'
import type { LineResults } from './tally.ts'

export interface StreamDeps {
  source: Source
  processChunk: ProcessChunk
  /** Lines that an earlier try has processed; they are read and compared only. */
  completedLines: number
  /** Called with every processed line, in order; now or by an earlier try. */
  digestLines(lines: readonly Line[]): Promise<void>
  /** Called when all lines of an earlier try have been read. @throws when they are not the same */
  verifyLines(): Promise<void>
  /** Called at least every LIMITS.bodyReadMsMax while anything comes. */
  renewIfDue(): Promise<void>
  /** Called once, when nothing more will be read. */
  onClose?(): void
  now: () => number
}

/**
 * A stream of lines, chunk after chunk: while one is published the next is read, and no further, so
 * the memory held does not depend on the length. Chunks are published one after the other, so what is
 * processed is always the beginning of the stream.
 * @throws what stopped it, after all results before it were yielded
 */
export async function* processStream(deps: StreamDeps): AsyncGenerator<LineResults, void> {
  const { source, completedLines } = deps
  const nextChunk = createChunker(deps)
  let at = 0
  try {
    for (let reading = nextChunk(); ; ) {
      const { chunk, end } = await reading
      if (!end) reading = nextChunk()
      const old = chunk.slice(0, Math.max(0, completedLines - at))
      if (old.length > 0) {
        at += old.length
        await deps.digestLines(old)
        if (at === completedLines) await deps.verifyLines()
      }
      const lines = chunk.slice(old.length)
      if (lines.length > 0) {
        const { stopped, ...results } = await deps.processChunk(lines, at)
        at += results.lines
        await deps.digestLines(lines.slice(0, results.lines))
        if (results.lines > 0) yield results
        if (stopped !== undefined) throw stopped
      }
      if (end?.failed !== undefined) throw end.failed
      if (end && at < completedLines) await deps.verifyLines()
      if (end) return
    }
  } finally {
    source.close()
    deps.onClose?.()
  }
}

/** What is processed next. A stream that breaks off ends with the lines before. */
interface Chunk {
  chunk: Line[]
  end?: { failed?: unknown }
}

/** @returns gives the next chunk: a full one, or what has waited for LIMITS.ndjsonLingerMs. Never rejects. */
function createChunker({ source, renewIfDue, now }: StreamDeps): () => Promise<Chunk> {
  const cutter = createLineCutter()
  const pace = createPace(now)
  let lines: Line[] = []
  let chars = 0
  let since = 0
  let end: Chunk['end']

  function add(more: readonly Line[]): void {
    if (lines.length === 0) since = now()
    for (const line of more) {
      lines.push(line)
      chars += lengthOf(line)
    }
  }

  function takeChunk(): Chunk {
    let count = 0
    let taken = 0
    while (count < lines.length && count < LINES && taken < CHARS)
      taken += lengthOf(lines[count++] as Line)
    const chunk = lines.slice(0, count)
    lines = lines.slice(count)
    chars -= taken
    return { chunk, ...(lines.length === 0 && end && { end }) }
  }

  return async () => {
    while (!end && lines.length < LINES && chars < CHARS)
      try {
        const left = since + LIMITS.ndjsonLingerMs - now()
        if (lines.length > 0 && left <= 0) break
        const piece = await source.read(lines.length > 0 ? left : LIMITS.bodyReadMsMax)
        await renewIfDue()
        if (piece !== undefined) pace.check(piece === 'later' ? undefined : piece)
        if (piece === undefined) {
          add(cutter.end())
          end = {}
        } else if (piece !== 'later') add(cutter.push(piece))
      } catch (failed) {
        end = { failed }
      }
    return takeChunk()
  }
}

const LINES = LIMITS.ndjsonBatchLinesMax
const CHARS = LIMITS.ndjsonBatchCharsMax

function lengthOf(line: Line): number {
  return typeof line === 'string' ? line.length : 0
}
