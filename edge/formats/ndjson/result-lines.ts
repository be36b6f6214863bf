import type { ItemError } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { problemBody } from '../../http/http-problem.ts'
import { respond } from '../../http/respond.ts'
import type { AcceptedEvent } from '../json-response.ts'
import { completeStream, type StreamRun, streamProblem } from './complete-stream.ts'
import { acceptedEvent, type LineResults } from './tally.ts'

const TYPE = 'application/x-ndjson'

/**
 * The answer as lines of JSON: one for each event as soon as it is in the log or refused, the last
 * one `{"summary":…}`, or `{"problem":…}` with what ended it. Nothing is gathered: who does not read
 * the answer is not read from.
 */
export async function respondInLines(run: StreamRun): Promise<Response> {
  const { c, lease, results } = run
  let told = ''
  try {
    // Until something is accepted, the status can still say that nothing was.
    for (let accepted = 0; accepted === 0 && lease.tally.lines < LIMITS.batchEventsMax; ) {
      const { done, value } = await results.next()
      if (done) {
        const answer = await completeStream(run)
        if (lease.completedResponse !== undefined) told = resultLines(JSON.parse(answer) as Results)
        return respond(c, { status: 202, type: TYPE, body: told + lastLine(answer) })
      }
      told += linesOf(value)
      accepted = value.accepted.length
    }
  } catch (error) {
    throw await streamProblem(run, error)
  }
  const headers = { ...c.get('headers'), 'content-type': TYPE }
  return new Response(streamOf(tell(run, told)), { status: 202, headers })
}

async function* tell(run: StreamRun, told: string): AsyncGenerator<string, void> {
  let isOver = false
  try {
    yield told
    for await (const settled of run.results) yield linesOf(settled)
    const answer = await completeStream(run)
    isOver = true
    yield lastLine(answer)
  } catch (error) {
    isOver = true
    const { code, options: more } = await streamProblem(run, error)
    yield `${JSON.stringify({ problem: problemBody(run.c, code, more) })}\n`
  } finally {
    // The client went away; its next try goes on from here.
    if (!isOver) await run.lease.saveProgress()
  }
}

function streamOf(texts: AsyncGenerator<string, void>): ReadableStream<Uint8Array> {
  const utf8 = new TextEncoder()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await texts.next()
      if (done) controller.close()
      else controller.enqueue(utf8.encode(value))
    },
    async cancel() {
      await texts.return()
    },
  })
}

interface Results {
  events: readonly AcceptedEvent[]
  errors: readonly ItemError[]
  warnings?: LineResults['warnings']
}

function linesOf({ accepted, errors, warnings }: LineResults): string {
  return resultLines({ events: accepted.map(acceptedEvent), errors, warnings })
}

/** In the order of the stream. */
function resultLines({ events, errors, warnings = [] }: Results): string {
  const lines = new Map<number, object>()
  const warned = new Map(warnings.map(({ index, ...warning }) => [index, warning]))
  for (const event of events) {
    const { index = 0 } = event
    const warning = warned.get(index)
    lines.set(index, warning ? { ...event, warning } : event)
  }
  const refused = new Map<number, Omit<ItemError, 'index'>[]>()
  for (const { index, ...error } of errors) {
    const others = refused.get(index)
    if (others) others.push(error)
    else refused.set(index, [error])
  }
  for (const [index, errors] of refused) lines.set(index, { index, status: 'rejected', errors })
  let text = ''
  for (const index of [...lines.keys()].sort((a, b) => a - b))
    text += `${JSON.stringify(lines.get(index))}\n`
  return text
}

function lastLine(answer: string): string {
  const { request_id, accepted, rejected, lines } = JSON.parse(answer) as Record<string, unknown>
  return `${JSON.stringify({ summary: { request_id, accepted, rejected, lines } })}\n`
}
