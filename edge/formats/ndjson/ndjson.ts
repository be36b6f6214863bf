import { LIMITS } from '../../../contract/limits.ts'
import type { Idempotency } from '../../admission/idempotency.ts'
import type { EdgeContext, Step } from '../../http/context.ts'
import type { Report } from '../../http/http-problem.ts'
import { mediaTypeOf } from '../../http/read-body.ts'
import { respond } from '../../http/respond.ts'
import { binary } from '../cloudevents/formats.ts'
import { fail, finish, type Run } from './complete-stream.ts'
import { createSettler, type SettleDeps } from './process-chunk.ts'
import { settleLines } from './process-stream.ts'
import { answerInLines } from './result-lines.ts'
import { openSource } from './source.ts'
import { leaseStream, type StreamLease } from './stream-lock.ts'
import { addTo, type Settled } from './tally.ts'

export interface NdjsonDeps extends Omit<SettleDeps, 'again'> {
  who: Step
  idempotency: Idempotency
  /** Of a stream, decoded. */
  ndjsonBytesMax?: number
  report: Report
}

const NDJSON = /^application\/(?:x-ndjson|ndjson|jsonl)$/

/**
 * Lines of JSON, an event each, read and published as they come in: memory does not depend on how
 * many there are. One bad line is one bad line. Other media types are left to the next step.
 */
export function ndjson(deps: NdjsonDeps): Step {
  return async (c, next) => {
    const type = c.req.raw.headers.get('content-type')
    // Most requests are JSON, and looking is cheaper than splitting.
    if (type === null || type === 'application/json') return next()
    const mediaType = type.split(';', 1)[0]?.trim().toLowerCase() ?? ''
    if (!NDJSON.test(mediaType) || binary.takes?.(mediaType, c.req.raw)) return next()
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
  const lease = await leaseStream(c, deps.idempotency, now).catch((error: unknown) => {
    source.close()
    throw error
  })
  const again = () => deps.who(c, async () => {})
  const results = settleLines({
    source,
    settle: createSettler(c, { ...deps, again }),
    settledBefore: lease.settledBefore,
    pass: lease.pass,
    resume: lease.compare,
    tick: lease.tick,
    now,
  })
  const run: Run = { c, report: deps.report, lease, results: counted(results, lease) }
  return wantsLines(c) ? answerInLines(run) : answerAtOnce(run)
}

async function* counted(
  results: AsyncGenerator<Settled, void>,
  { tally }: StreamLease,
): AsyncGenerator<Settled, void> {
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

async function answerAtOnce(run: Run): Promise<Response> {
  try {
    for await (const _ of run.results);
    return respond(run.c, { status: 202, body: await finish(run) })
  } catch (error) {
    throw await fail(run, error)
  }
}
