import type { ItemError } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { respond } from '../../http/respond.ts'
import { problemBody } from '../../http/send-problem.ts'
import type { AcceptedEvent } from '../json-response.ts'
import { completeStream, type StreamRun, streamProblem } from './complete-stream.ts'
import { acceptedEvent, type LineResults } from './tally.ts'

const TYPE = 'application/x-ndjson'

/**
 * The response as lines of JSON: one for each event as soon as it is in the log or rejected, the last
 * one `{"summary":…}`, or `{"problem":…}` with what ended it. Nothing is buffered: while a client does
 * not read the response, its request is not read.
 */
export async function respondInLines(run: StreamRun): Promise<Response> {
  const { c, lock, results } = run
  let sent = ''
  try {
    // Until an event is accepted, the status can still be an error.
    for (let accepted = 0; accepted === 0 && lock.tally.lines < LIMITS.batchEventsMax; ) {
      const { done, value } = await results.next()
      if (done) {
        const body = await completeStream(run)
        if (lock.completedResponse !== undefined) sent = resultLines(JSON.parse(body) as Results)
        return respond(c, { status: 202, type: TYPE, body: sent + lastLine(body) })
      }
      sent += linesOf(value)
      accepted = value.accepted.length
    }
  } catch (error) {
    throw await streamProblem(run, error)
  }
  const headers = { ...c.get('headers'), 'content-type': TYPE }
  return new Response(streamOf(writeLines(run, sent)), { status: 202, headers })
}

async function* writeLines(run: StreamRun, sent: string): AsyncGenerator<string, void> {
  let isOver = false
  try {
    yield sent
    for await (const results of run.results) yield linesOf(results)
    const body = await completeStream(run)
    isOver = true
    yield lastLine(body)
  } catch (error) {
    isOver = true
    const { code, options } = await streamProblem(run, error)
    yield `${JSON.stringify({ problem: problemBody(run.c, code, options) })}\n`
  } finally {
    // The client disconnected; its next try resumes here.
    if (!isOver) await run.lock.saveProgress()
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
  const rejected = new Map<number, Omit<ItemError, 'index'>[]>()
  for (const { index, ...error } of errors) {
    const others = rejected.get(index)
    if (others) others.push(error)
    else rejected.set(index, [error])
  }
  for (const [index, errors] of rejected) lines.set(index, { index, status: 'rejected', errors })
  let text = ''
  for (const index of [...lines.keys()].sort((a, b) => a - b))
    text += `${JSON.stringify(lines.get(index))}\n`
  return text
}

function lastLine(body: string): string {
  const { request_id, accepted, rejected, lines } = JSON.parse(body) as Record<string, unknown>
  return `${JSON.stringify({ summary: { request_id, accepted, rejected, lines } })}\n`
}
