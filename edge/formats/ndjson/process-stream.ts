import { LIMITS } from '../../../contract/limits.ts'
import { createLineCutter, type Line } from './lines.ts'
import type { ProcessedChunk } from './process-chunk.ts'
import type { Source } from './source.ts'
import type { LineResults } from './tally.ts'

export interface StreamDeps {
  source: Source
  settle(lines: readonly Line[], from: number): Promise<ProcessedChunk>
  /** Lines that an earlier try has settled; they are read and nothing else. */
  settledBefore: number
  /** Called with every line that is settled, or was before, in order. */
  pass(lines: readonly Line[]): Promise<void>
  /** Called when all lines of an earlier try have passed. @throws when they are not the same */
  resume(): Promise<void>
  /** Called at least every LIMITS.bodyReadMsMax while anything comes. */
  tick(): Promise<void>
  now: () => number
}

/**
 * A stream of lines, batch after batch: while one is published the next is read, and no further, so
 * what is held does not depend on the length. Batches are published one after the other, so what is
 * settled is always the beginning of the stream.
 * @throws what stopped it, when all that was settled before has been told
 */
export async function* processStream(deps: StreamDeps): AsyncGenerator<LineResults, void> {
  const { source, settledBefore } = deps
  const gather = createGatherer(deps)
  let at = 0
  try {
    for (let gathering = gather(); ; ) {
      const { batch, end } = await gathering
      if (!end) gathering = gather()
      const old = batch.slice(0, Math.max(0, settledBefore - at))
      if (old.length > 0) {
        at += old.length
        await deps.pass(old)
        if (at === settledBefore) await deps.resume()
      }
      const lines = batch.slice(old.length)
      if (lines.length > 0) {
        const { stopped, ...settled } = await deps.settle(lines, at)
        at += settled.lines
        await deps.pass(lines.slice(0, settled.lines))
        if (settled.lines > 0) yield settled
        if (stopped !== undefined) throw stopped
      }
      if (end?.failed !== undefined) throw end.failed
      if (end && at < settledBefore) await deps.resume()
      if (end) return
    }
  } finally {
    source.close()
  }
}

/** What is to be settled next. It never rejects: a stream that breaks off ends with what came before. */
interface Gathered {
  batch: Line[]
  end?: { failed?: unknown }
}

/** @returns called again and again, gives the next batch: a full one, or what has waited long enough */
function createGatherer({ source, tick, now }: StreamDeps): () => Promise<Gathered> {
  const cutter = createLineCutter()
  let lines: Line[] = []
  let chars = 0
  let since = 0
  let end: Gathered['end']

  function add(more: readonly Line[]): void {
    if (lines.length === 0) since = now()
    for (const line of more) {
      lines.push(line)
      chars += lengthOf(line)
    }
  }

  function takeBatch(): Gathered {
    let count = 0
    let taken = 0
    while (count < lines.length && count < LINES && taken < CHARS)
      taken += lengthOf(lines[count++] as Line)
    const batch = lines.slice(0, count)
    lines = lines.slice(count)
    chars -= taken
    return { batch, ...(lines.length === 0 && end && { end }) }
  }

  return async () => {
    while (!end && lines.length < LINES && chars < CHARS)
      try {
        const left = since + LIMITS.ndjsonLingerMs - now()
        if (lines.length > 0 && left <= 0) break
        const piece = await source.read(lines.length > 0 ? left : LIMITS.bodyReadMsMax)
        await tick()
        if (piece === undefined) {
          add(cutter.end())
          end = {}
        } else if (piece !== 'later') add(cutter.push(piece))
      } catch (failed) {
        end = { failed }
      }
    return takeBatch()
  }
}

const LINES = LIMITS.ndjsonBatchLinesMax
const CHARS = LIMITS.ndjsonBatchCharsMax

function lengthOf(line: Line): number {
  return typeof line === 'string' ? line.length : 0
}
