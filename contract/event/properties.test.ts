import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { parseExactly } from '../json/exact-parse.ts'
import { findBadNumbers, parseJson } from '../json/json.ts'
import { decodeRecord, recordEncoder } from '../log/record.ts'
import { anyJson, mutated, sentEvent } from '../testing/arbitrary.ts'
import { expectedOf, losesNumbers } from '../testing/model.ts'
import { readBatch } from './batch.ts'
import { normalise } from './normalise.ts'
import { readTime } from './time.ts'
import { isUuid, uuidV7, uuidV7Series } from './uuid.ts'

// Thousands of random cases take longer than 5 s on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const context = { receivedAt: '2026-11-21T09:00:00.123Z', eventId: () => 'made' }
const stamp = {
  v: 1,
  tenant: 'acme',
  key: 'k1',
  request_id: 'r1',
  received_at: context.receivedAt,
  edge: 'test',
} as const

const field = fc.constantFrom(
  ...['event', 'name', 'event_type', 'event_id', 'user_id', 'actor', 'session', 'source', 'value'],
  ...['timestamp', 'properties', 'payload', 'metadata', 'context', 'schema_version', 'x', 'page'],
)
const anything = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }) as fc.Arbitrary<unknown>
const likely = fc.oneof(
  anything,
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.dictionary(fc.string(), anything),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.maxSafeInteger(),
)
const sent = fc
  .tuple(fc.dictionary(field, likely), fc.boolean())
  .map(([fields, named]) => (named ? { ...fields, event: 'e' } : fields))

it('uuidV7Series gives the events of one batch distinct UUIDv7s', () => {
  const ids = uuidV7Series(1_795_000_000_000)
  const made = Array.from({ length: 1_000 }, (_, i) => ids(i))
  expect(new Set(made).size).toBe(1_000)
  expect(made.every((id) => isUuid(id) && id.startsWith('01a1ee56-5e00-7'))).toBe(true)
})

it('decodeRecord reads back every event that normalise accepts', () => {
  let accepted = 0
  fc.assert(
    fc.property(sent, (raw) => {
      const read = normalise(raw, context)
      if (!read.ok) return
      accepted++
      expect(read.json).toBe(JSON.stringify(read.event))
      const decoded = decodeRecord(recordEncoder(stamp).event(read.json))
      expect(decoded).toMatchObject({
        ok: true,
        record: { ...stamp, event: parseExactly(read.json) },
      })
    }),
    { numRuns: 2_000 },
  )
  // Guards against a generator whose events are all rejected.
  expect(accepted).toBeGreaterThan(100)
})

it('normalise accepts and writes the same events as the independent model', () => {
  const outcomes = { accepted: 0, rejected: 0 }
  const compare = (raw: unknown) => {
    const sent = parseExactly(JSON.stringify(raw))
    const read = normalise(sent, { receivedAt: 'received', eventId: () => 'made' })
    const expected = expectedOf(sent)
    outcomes[read.ok ? 'accepted' : 'rejected']++
    expect(read.ok ? parseExactly(read.json) : undefined).toEqual(
      expected && { event_id: 'made', occurred_at: 'received', ...expected },
    )
  }
  fc.assert(fc.property(fc.oneof(sentEvent, anyJson), compare), { numRuns: 10_000 })
  expect(Math.min(outcomes.accepted, outcomes.rejected)).toBeGreaterThan(1_000)
})

it('readBatch reads mutated text as JSON.parse does, and names every number that would change', () => {
  let parsed = 0
  const text = mutated(sentEvent.map((event) => JSON.stringify(event)))
  fc.assert(
    fc.property(text, (body) => {
      const batch = readBatch(body)
      if (!batch.ok || !batch.isSingleEvent) return
      parsed++
      const [{ raw, badNumbers }] = batch.items as [(typeof batch.items)[number]]
      expect(raw).toEqual(parseExactly(body))
      // The first value of a duplicate key is dropped, but its numbers are still checked.
      expect(badNumbers.length > 0).toBe(losesNumbers(body))
    }),
    { numRuns: 5_000 },
  )
  expect(parsed).toBeGreaterThan(300)
})

it('normalise leaves a canonical event unchanged', () => {
  fc.assert(
    fc.property(sent, (raw) => {
      const read = normalise(raw, context)
      if (read.ok)
        expect(normalise(parseExactly(read.json), context)).toMatchObject({ json: read.json })
    }),
    { numRuns: 1_000 },
  )
})

it('readBatch throws for no text, and reports invalid JSON exactly where JSON.parse throws', () => {
  const text = fc.oneof(
    fc.json({ stringUnit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...'{}[]",:0123456789eE.-+ \\untf') }),
  )
  fc.assert(
    fc.property(text, (body) => {
      const batch = readBatch(body)
      const parses = canParse(body)
      if (!parses) expect(batch).toMatchObject({ ok: false, code: 'INVALID_JSON' })
      else if (!batch.ok) expect(['BATCH_EMPTY', 'BATCH_TOO_LARGE']).toContain(batch.code)
      else for (const { raw } of batch.items) normalise(raw, context)
    }),
    { numRuns: 2_000 },
  )
})

it('parseJson names an integer exactly when it would be written as another one', () => {
  const whole = fc
    .tuple(fc.bigInt({ min: -(10n ** 19n), max: 10n ** 19n }), fc.nat(310))
    .chain(([digits, zeros]) => fc.constantFrom(digits, digits * 10n ** BigInt(zeros)))
  fc.assert(
    fc.property(whole, (whole) => {
      const written = `${whole}`
      const again = JSON.stringify(Number(written))
      const isKept = again !== 'null' && numeric(again) === whole
      const parsed = parseJson(`{"a":[${written}]}`)
      expect(parsed.ok && parsed.badNumbers.map((bad) => bad.pointer)).toEqual(
        isKept ? [] : ['/a/0'],
      )
    }),
    { numRuns: 2_000 },
  )
})

it('the filter of parseJson misses no number that findBadNumbers finds', () => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 340 })
  const number = fc
    .tuple(
      fc.constantFrom('', '-'),
      digits,
      fc.option(digits),
      fc.option(fc.integer({ min: -400, max: 400 })),
    )
    .map(([sign, whole, fraction, exponent]) =>
      [
        sign,
        whole.replace(/^0+(?=\d)/, ''),
        fraction === null ? '' : `.${fraction}`,
        exponent === null ? '' : `e${exponent}`,
      ].join(''),
    )
  const small = fc
    .tuple(fc.integer({ min: 0, max: 330 }), fc.integer({ min: -120, max: 9 }))
    .map(([zeros, exponent]) => `0.${'0'.repeat(zeros)}1e${exponent}`)
  fc.assert(
    fc.property(fc.oneof(number, small), (written) => {
      const text = `{"a": ${written}}`
      const parsed = parseJson(text)
      expect(parsed.ok && parsed.badNumbers).toEqual(findBadNumbers(text))
    }),
    { numRuns: 5_000 },
  )
})

it('readTime keeps a canonical time unchanged, and reads microseconds as the same instant', () => {
  fc.assert(
    fc.property(
      fc.date({ noInvalidDate: true, min: new Date(-62e12), max: new Date(9e12) }),
      (date) => {
        const iso = date.toISOString()
        expect(readTime(iso)).toEqual({ ok: true, time: iso, ms: date.getTime() })
        const epoch = readTime(date.getTime() * 1000)
        if (Math.abs(date.getTime()) >= 1e11)
          expect(epoch.ok && Date.parse(epoch.time)).toBe(date.getTime())
      },
    ),
  )
})

it('UUIDv7s sort in the order of their times', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 47), fc.nat(2 ** 47), (a, b) => {
      const [first, second] = [uuidV7(Math.min(a, b)), uuidV7(Math.max(a, b))]
      expect(isUuid(first) && isUuid(second)).toBe(true)
      if (a !== b) expect(first < second).toBe(true)
    }),
  )
})

/** Reads a number as Postgres' numeric does: `1.5e+3` is 1500. */
function numeric(json: string): bigint {
  const [digits = '', exponent = '0'] = json.split('e')
  const [whole = '', fraction = ''] = digits.split('.')
  return BigInt(whole + fraction) * 10n ** BigInt(Number(exponent) - fraction.length)
}

function canParse(text: string): boolean {
  try {
    parseExactly(text)
    return true
  } catch {
    return false
  }
}
