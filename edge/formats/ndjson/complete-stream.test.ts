import { expect, it } from 'vitest'
import type { ErrorCode } from '../../../contract/errors.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { type StreamRun, streamProblem } from './complete-stream.ts'
import { emptyTally } from './tally.ts'

/** What a client is told after 1,200 lines, when a stream of its own ended with this error. */
async function toldAfter(error: unknown, idempotencyKey: string | undefined) {
  const run = {
    c: { get: () => 'request-1' },
    report() {},
    lock: {
      idempotencyKey,
      tally: { ...emptyTally(), lines: 1_200, accepted: 1_200 },
      async saveProgress() {},
    },
  } as unknown as StreamRun
  const { code, options } = await streamProblem(run, error)
  return { code, detail: options.detail, resume: options.members?.resume_from_line }
}

const SAME_KEY = /send all of them again with the same Idempotency-Key/
const OTHER_KEY = /from line 1,200 on and with another Idempotency-Key\./
const NO_KEY = /from line 1,200 on\. Lines count from 0/
const UNCERTAIN = /Some of them may be in the log already/

it.each<[ErrorCode, withKey: RegExp, isUncertain: boolean]>([
  ['RATE_LIMITED', SAME_KEY, false],
  ['BODY_TOO_SLOW', SAME_KEY, false],
  ['STREAM_TOO_LONG', SAME_KEY, false],
  ['BODY_INCOMPLETE', SAME_KEY, false],
  ['OVERLOADED', SAME_KEY, false],
  ['LOG_UNAVAILABLE', SAME_KEY, true],
  ['INTERNAL', SAME_KEY, true],
  // The same stream would end in the same way again.
  ['BODY_TOO_LARGE', OTHER_KEY, false],
  ['INVALID_ENCODING', OTHER_KEY, false],
  ['KEY_UNKNOWN', OTHER_KEY, false],
  ['BATCH_OVER_LIMIT', OTHER_KEY, false],
])('after %s a client is told how to go on with its stream', async (code, withKey, isUncertain) => {
  const keyed = await toldAfter(new HttpProblem(code), 'a-key')
  expect(keyed.detail).toMatch(withKey)
  expect(keyed.resume).toBe(withKey === SAME_KEY ? 0 : 1_200)
  const keyless = await toldAfter(new HttpProblem(code), undefined)
  expect(keyless.detail).toMatch(NO_KEY)
  expect([keyless.resume, UNCERTAIN.test(keyless.detail ?? '')]).toEqual([1_200, isUncertain])
})

it('after an unexpected error the client learns nothing of it', async () => {
  expect(await toldAfter(new Error('a secret'), undefined)).toEqual({
    code: 'INTERNAL',
    detail: expect.not.stringContaining('secret'),
    resume: 1_200,
  })
})

it.each<ErrorCode>(['BATCH_EMPTY', 'IDEMPOTENCY_KEY_REUSED', 'EVENTS_INVALID'])(
  'after %s there is nothing to go on with',
  async (code) => {
    expect((await toldAfter(new HttpProblem(code), 'a-key')).resume).toBeUndefined()
  },
)
