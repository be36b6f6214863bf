import { LIMITS } from '../../../contract/limits.ts'
import type { IdempotencyStore } from '../../admission/idempotency.ts'
import type { EdgeContext, Middleware } from '../../http/context.ts'
import type { Report } from '../../http/http-problem.ts'
import { mediaTypeOf } from '../../http/read-body.ts'
import { respond } from '../../http/respond.ts'
import { binary } from '../cloudevents/formats.ts'
import { completeStream, type StreamRun, streamProblem } from './complete-stream.ts'
import { type ChunkDeps, createChunkProcessor } from './process-chunk.ts'
import { processStream } from './process-stream.ts'
import { respondInLines } from './result-lines.ts'
import { openSource } from './source.ts'
import { lockStream, type StreamLock } from './stream-lock.ts'
import { addTo, type LineResults } from './tally.ts'

export interface NdjsonDeps extends Omit<ChunkDeps, 'again'> {
  who: Middleware
  idempotency: IdempotencyStore
  /** Of a stream, decoded. */
  ndjsonBytesMax?: number
  report: Report
}

const NDJSON = /^application\/(?:x-ndjson|ndjson|jsonl)$/

/**
 * Lines of JSON, an event each, read and published as they come in: memory does not depend on how
 * many there are. One bad line is one bad line. Other media types are left to the next step.
 */
export function ndjson(deps: NdjsonDeps): Middleware {
  return async (c, next) => {
    const type = c.req.raw.headers.get('content-type')
    // Most requests are JSON, and looking is cheaper than splitting.
    if (type === null || type === 'application/json') return next()
    const mediaType = type.split(';', 1)[0]?.trim().toLowerCase() ?? ''
    if (!NDJSON.test(mediaType) || binary.accepts?.(mediaType, c.req.raw)) return next()
    let response: Response | undefined
    await deps.who(c, async () => {
      response = await take(c, deps)
    })
    return response
  }
}

async function take(c: EdgeContext, deps: NdjsonDeps): Promise<Response> {
  const { now, ndjsonBytesMax = LIMITS.ndjsonBytesMax } = deps
  mediaTypeOf(c.req.raw.headers) // refuses another charset than UTF-8
  const source = openSource(c.req.raw, ndjsonBytesMax, now)
  const lease = await lockStream(c, deps.idempotency, now).catch((error: unknown) => {
    source.close()
    throw error
  })
  const again = () => deps.who(c, async () => {})
  const results = processStream({
    source,
    settle: createChunkProcessor(c, { ...deps, again }),
    settledBefore: lease.completedLines,
    pass: lease.digestLines,
    resume: lease.verifyLines,
    tick: lease.renewIfDue,
    now,
  })
  const run: StreamRun = { c, report: deps.report, lease, results: counted(results, lease) }
  return wantsLines(c) ? respondInLines(run) : answerAtOnce(run)
}

async function* counted(
  results: AsyncGenerator<LineResults, void>,
  { tally }: StreamLock,
): AsyncGenerator<LineResults, void> {
  for await (const settled of results) {
    addTo(tally, settled)
    yield settled
  }
}

function wantsLines(c: EdgeContext): boolean {
  const accepted = c.req.raw.headers.get('accept') ?? ''
  return accepted
    .split(',')
    .some((type) => NDJSON.test(type.split(';', 1)[0]?.trim().toLowerCase() ?? ''))
}

async function answerAtOnce(run: StreamRun): Promise<Response> {
  try {
    for await (const _ of run.results);
    return respond(run.c, { status: 202, body: await completeStream(run) })
  } catch (error) {
    throw await streamProblem(run, error)
  }
}
