import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createPace } from './pace.ts'
import { createStreamSlots } from './stream-slots.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const code = (code: string) => expect.objectContaining({ code })

/** Sends a piece every second, from a clock that stands still. */
function send(piece: string, seconds: number): void {
  let at = 1_000_000
  const pace = createPace(() => at)
  for (let i = 0; i < seconds; i++) {
    at += 1_000
    pace.check(bytes(piece))
  }
}

it('a stream of newlines and blanks ends after 10 s, one of a byte a second goes on', () => {
  expect(() => send('\r\n \t', 30)).toThrow(code('BODY_TOO_SLOW'))
  expect(() => send('\n', 9)).not.toThrow()
  expect(() => send('a', 600)).not.toThrow()
})

it('a stream that was fast once has to bring as much again in the next 10 s', () => {
  let at = 0
  const pace = createPace(() => at)
  at += LIMITS.bodyReadMsMax
  pace.check(bytes('x'.repeat(LIMITS.ndjsonBytesPerReadMin)))
  at += LIMITS.bodyReadMsMax
  expect(() => pace.check(bytes('\n'))).toThrow(code('BODY_TOO_SLOW'))
})

it('what arrives after a pause of the log counts for that pause', () => {
  let at = 0
  const pace = createPace(() => at)
  at += 3 * LIMITS.bodyReadMsMax
  expect(() => pace.check(bytes('{"event":"a"}'))).not.toThrow()
})

it('a stream ends after an hour, however much it brings', () => {
  const seconds = LIMITS.ndjsonStreamMsMax / 1000
  expect(() => send('{"event":"a"}\n', seconds - 1)).not.toThrow()
  expect(() => send('{"event":"a"}\n', seconds)).toThrow(code('STREAM_TOO_LONG'))
})

it('a key has at most eight streams open, and those that ended without a word free their places', () => {
  let at = 0
  const slots = createStreamSlots(() => at)
  const open = Array.from({ length: LIMITS.ndjsonStreamsPerKeyMax }, () => slots.open('k'))
  expect(() => slots.open('k')).toThrow(code('TOO_MANY_STREAMS'))
  slots.open('other')
  open[0]?.close()
  open[0]?.close()
  slots.open('k')
  expect(() => slots.open('k')).toThrow(code('TOO_MANY_STREAMS'))
  at += 20_000
  open[1]?.renew()
  at += 20_000
  for (let i = 1; i < LIMITS.ndjsonStreamsPerKeyMax; i++) slots.open('k')
  expect(() => slots.open('k')).toThrow(code('TOO_MANY_STREAMS'))
})
