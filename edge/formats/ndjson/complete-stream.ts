import { ERRORS } from '../../../contract/errors.ts'
import type { EdgeContext } from '../../http/context.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { describeError, type Report } from '../../http/report.ts'
import type { StreamLock } from './stream-lock.ts'
import { type LineResults, tallyMembers } from './tally.ts'

/** One stream while it is processed. */
export interface StreamRun {
  c: EdgeContext
  report: Report
  lock: StreamLock
  /** Every result was added to `lock.tally` before it comes out. */
  results: AsyncGenerator<LineResults, void>
}

/** The response's body when the stream came to its end. @throws HttpProblem when no line was accepted */
export async function completeStream({ c, lock }: StreamRun): Promise<string> {
  const { tally, completedResponse } = lock
  if (completedResponse !== undefined) {
    c.get('headers')['idempotency-replayed'] = 'true'
    return completedResponse
  }
  if (tally.lines === 0) throw new HttpProblem('BATCH_EMPTY')
  if (tally.accepted === 0) throw new HttpProblem('EVENTS_INVALID')
  const body = JSON.stringify({ request_id: c.get('requestId'), ...tallyMembers(tally) })
  await lock.complete(body)
  return body
}

/** The problem when it did not: how far it came, and how to resume. */
export async function streamProblem(run: StreamRun, error: unknown): Promise<HttpProblem> {
  const { c, report, lock } = run
  await lock.saveProgress()
  const problem = error instanceof HttpProblem ? error : unexpected(c, report, error)
  const { code, options } = problem
  if (code === 'BATCH_EMPTY' || code === 'IDEMPOTENCY_KEY_REUSED') return problem
  const { lines } = lock.tally
  const isWhole = code === 'EVENTS_INVALID'
  const hasKey = lock.idempotencyKey !== undefined
  const resume = isWhole ? undefined : howToResume(code, lines, hasKey)
  return new HttpProblem(code, {
    ...options,
    detail: [options.detail ?? ERRORS[code].message, resume?.detail].filter(Boolean).join(' '),
    members: { ...options.members, ...tallyMembers(lock.tally), ...resume?.members },
  })
}

/**
 * Lines that were processed need not come again. Under an Idempotency-Key the whole stream comes again,
 * because the ids of its events count from its first line.
 */
function howToResume(code: HttpProblem['code'], lines: number, hasKey: boolean) {
  const done = `The first ${lines.toLocaleString('en')} lines are done with`
  if (hasKey && ERRORS[code].retryable)
    return {
      detail: `${done}: send all of them again with the same Idempotency-Key, and it goes on behind those.`,
      members: { resume_from_line: 0 },
    }
  const isUncertain = ['LOG_UNAVAILABLE', 'INTERNAL'].includes(code)
  return {
    detail: [
      `${done}; send the others, from line ${lines.toLocaleString('en')} on${hasKey ? ' and with another Idempotency-Key' : ''}. Lines count from 0, blank ones not at all.`,
      isUncertain &&
        'Some of them may be in the log already; those that have an event_id count once all the same.',
    ]
      .filter(Boolean)
      .join(' '),
    members: { resume_from_line: lines },
  }
}

function unexpected(c: EdgeContext, report: Report, error: unknown): HttpProblem {
  report({
    level: 'error',
    what: 'unexpected error, the stream of lines stops',
    requestId: c.get('requestId'),
    error: describeError(error),
  })
  return new HttpProblem('INTERNAL')
}
