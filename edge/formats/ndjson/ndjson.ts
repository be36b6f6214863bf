import { LIMITS } from '../../../contract/limits.ts'
import type { IdempotencyStore } from '../../admission/idempotency.ts'
import type { Authenticate, AuthenticatedRequest } from '../../auth/authenticate.ts'
import type { Handler } from '../../http/context.ts'
import { mediaTypeOf } from '../../http/read-body.ts'
import type { Report } from '../../http/report.ts'
import { respond } from '../../http/respond.ts'
import { binary } from '../cloudevents/formats.ts'
import { completeStream, type StreamRun, streamProblem } from './complete-stream.ts'
import { type ChunkDeps, createChunkProcessor } from './process-chunk.ts'
import { processStream } from './process-stream.ts'
import { respondInLines } from './result-lines.ts'
import { openSource, type Source } from './source.ts'
import { lockStream, type StreamLock } from './stream-lock.ts'
import { createStreamSlots, type StreamSlot, type StreamSlots } from './stream-slots.ts'
import { addTo, type LineResults } from './tally.ts'

export interface NdjsonDeps extends ChunkDeps {
  authenticate: Authenticate
  idempotency: IdempotencyStore
  /** Of a stream, decoded. */
  ndjsonBytesMax?: number
  report: Report
}

const NDJSON = /^application\/(?:x-ndjson|ndjson|jsonl)$/

export function isNdjson(request: Request): boolean {
  const type = request.headers.get('content-type')
  // Most requests are JSON, and looking is cheaper than splitting.
  if (type === null || type === 'application/json') return false
  const mediaType = type.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  return NDJSON.test(mediaType) && !binary.accepts?.(mediaType, request)
}

/**
 * Lines of JSON, an event each, read and published as they come in: memory does not depend on how
 * many there are. An invalid line never fails the others.
 */
export function ingestNdjson(deps: NdjsonDeps): Handler {
  const slots = createStreamSlots(deps.now)
  return async (c) => {
    const request = await deps.authenticate(c)
    const run = await openStream(request, deps, slots)
    return wantsLines(c.req.raw) ? respondInLines(run) : respondWhole(run)
  }
}

async function openStream(
  request: AuthenticatedRequest,
  deps: NdjsonDeps,
  slots: StreamSlots,
): Promise<StreamRun> {
  const { c, key } = request
  const { now, ndjsonBytesMax = LIMITS.ndjsonBytesMax } = deps
  mediaTypeOf(c.req.raw.headers) // refuses another charset than UTF-8
  const slot = slots.open(key.key_id)
  const source = openSourceIn(slot, () => openSource(c.req.raw, ndjsonBytesMax, now))
  const lock = await lockStream(request, deps.idempotency, now).catch((error: unknown) => {
    source.close()
    slot.close()
    throw error
  })
  const results = processStream({
    source,
    processChunk: createChunkProcessor(c, lock.idempotencyKey, deps),
    completedLines: lock.completedLines,
    digestLines: lock.digestLines,
    verifyLines: lock.verifyLines,
    renewIfDue() {
      slot.renew()
      return lock.renewIfDue()
    },
    onClose: slot.close,
    now,
  })
  return { c, report: deps.report, lock, results: counted(results, lock) }
}

/** @throws what opening it throws, when the slot is closed */
function openSourceIn(slot: StreamSlot, open: () => Source): Source {
  try {
    return open()
  } catch (error) {
    slot.close()
    throw error
  }
}

async function* counted(
  results: AsyncGenerator<LineResults, void>,
  { tally }: StreamLock,
): AsyncGenerator<LineResults, void> {
  for await (const result of results) {
    addTo(tally, result)
    yield result
  }
}

function wantsLines(request: Request): boolean {
  const accepted = request.headers.get('accept') ?? ''
  return accepted
    .split(',')
    .some((type) => NDJSON.test(type.split(';', 1)[0]?.trim().toLowerCase() ?? ''))
}

async function respondWhole(run: StreamRun): Promise<Response> {
  try {
    for await (const _ of run.results);
    return respond(run.c, { status: 202, body: await completeStream(run) })
  } catch (error) {
    throw await streamProblem(run, error)
  }
}
