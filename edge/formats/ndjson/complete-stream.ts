import { ERRORS } from '../../../contract/errors.ts'
import type { EdgeContext } from '../../http/context.ts'
import { describeError, HttpProblem, type Report } from '../../http/http-problem.ts'
import type { StreamLock } from './stream-lock.ts'
import { type LineResults, tallyMembers } from './tally.ts'

/** One stream on its way through. */
export interface StreamRun {
  c: EdgeContext
  report: Report
  lease: StreamLock
  /** What comes out has been counted in `lease.tally`. */
  results: AsyncGenerator<LineResults, void>
}

/** What is answered when the stream came to its end. @throws Refused when it held nothing good */
export async function completeStream({ c, lease }: StreamRun): Promise<string> {
  const { tally, completedResponse: done } = lease
  if (done !== undefined) {
    c.get('headers')['idempotency-replayed'] = 'true'
    return done
  }
  if (tally.lines === 0) throw new HttpProblem('BATCH_EMPTY')
  if (tally.accepted === 0) throw new HttpProblem('EVENTS_INVALID')
  const answer = JSON.stringify({ request_id: c.get('requestId'), ...tallyMembers(tally) })
  await lease.complete(answer)
  return answer
}

/** What is answered when it did not: how far it came, and how to go on. */
export async function streamProblem(run: StreamRun, error: unknown): Promise<HttpProblem> {
  const { c, report, lease } = run
  await lease.saveProgress()
  const refused = error instanceof HttpProblem ? error : unforeseen(c, report, error)
  const { code, options: more } = refused
  if (code === 'BATCH_EMPTY' || code === 'IDEMPOTENCY_KEY_REUSED') return refused
  const { lines } = lease.tally
  const whole = code === 'EVENTS_INVALID'
  const resume = whole ? undefined : howToResume(c, code, lines)
  return new HttpProblem(code, {
    ...more,
    detail: [more.detail ?? ERRORS[code].message, resume?.says].filter(Boolean).join(' '),
    members: { ...more.members, ...tallyMembers(lease.tally), ...resume?.members },
  })
}

/**
 * Lines that were settled need not come again. Under an Idempotency-Key the whole stream comes again,
 * because the ids of its events count from its first line.
 */
function howToResume(c: EdgeContext, code: HttpProblem['code'], lines: number) {
  const done = `The first ${lines.toLocaleString('en')} lines are done with`
  const hasKey = c.get('idempotencyKey') !== undefined
  if (hasKey && ERRORS[code].retryable)
    return {
      says: `${done}: send all of them again with the same Idempotency-Key, and it goes on behind those.`,
      members: { resume_from_line: 0 },
    }
  const doubtful = ['LOG_UNAVAILABLE', 'INTERNAL'].includes(code)
  return {
    says: [
      `${done}; send the others, from line ${lines.toLocaleString('en')} on${hasKey ? ' and with another Idempotency-Key' : ''}. Lines count from 0, blank ones not at all.`,
      doubtful &&
        'Some of them may be in the log already; those that have an event_id count once all the same.',
    ]
      .filter(Boolean)
      .join(' '),
    members: { resume_from_line: lines },
  }
}

function unforeseen(c: EdgeContext, report: Report, error: unknown): HttpProblem {
  report({
    level: 'error',
    what: 'a stream of lines failed in a way nobody foresaw',
    requestId: c.get('requestId'),
    error: describeError(error),
  })
  return new HttpProblem('INTERNAL')
}
