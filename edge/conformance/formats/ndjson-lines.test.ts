import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createLineDigest } from '../../formats/ndjson/digest.ts'
import { createLineCutter, type Line } from '../../formats/ndjson/lines.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

function cut(bytes: Uint8Array, sizes: readonly number[]): Line[] {
  const cutter = createLineCutter()
  const lines: Line[] = []
  for (let at = 0, i = 0; at < bytes.byteLength; i++) {
    const size = sizes[i % sizes.length] ?? 1
    lines.push(...cutter.push(bytes.subarray(at, at + size)))
    at += size
  }
  return [...lines, ...cutter.end()]
}

const texts = (lines: readonly Line[]) =>
  lines.map((line) => (typeof line === 'string' ? line : line.code))

it('the line cutter returns the same lines however the stream is chunked', () => {
  const piece = fc.oneof(
    fc.constantFrom('\n', '\r\n', '\n\n', ' ', '\ufeff', '{"a":1}', 'é😀', 'x'.repeat(70_000)),
    fc.string({ unit: 'binary', maxLength: 8 }),
  )
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 64 * 1024 }), { minLength: 1, maxLength: 4 }),
      (pieces, sizes) => {
        const text = pieces.join('').toWellFormed()
        const expected = text
          .split('\n')
          .map((line) =>
            bytesOf(line).byteLength > LIMITS.ndjsonLineBytesMax ? 'EVENT_TOO_LARGE' : line,
          )
          .map((line) => line.replace(/^\ufeff/, ''))
          .filter((line) => /[^ \t\r]/.test(line))
        expect(texts(cut(bytesOf(text), sizes))).toEqual(expected)
      },
    ),
    { numRuns: 300 },
  )
})

it('the line cutter reports invalid UTF-8 for its line only', () => {
  const bytes = Buffer.concat([
    bytesOf('one\n'),
    Buffer.from([0xff, 0xfe, 0x0a]),
    bytesOf('t\u00fc\n'),
    Buffer.from([0xc3]),
  ])
  for (const size of [1, 2, 3, 5, 100])
    expect(texts(cut(bytes, [size]))).toEqual(['one', 'INVALID_UTF8', 'tü', 'INVALID_UTF8'])
})

it('the line cutter skips a line that is too long, whatever its length', () => {
  const most = 'x'.repeat(LIMITS.ndjsonLineBytesMax)
  for (const size of [1024, 64 * 1024, 1 << 20]) {
    expect(texts(cut(bytesOf(`${most}\na`), [size]))).toEqual([most, 'a'])
    expect(texts(cut(bytesOf(`${most}x\na`), [size]))).toEqual(['EVENT_TOO_LARGE', 'a'])
    expect(texts(cut(bytesOf(`a\n${most}${most}${most}`), [size]))).toEqual([
      'a',
      'EVENT_TOO_LARGE',
    ])
  }
})

it('the digest of a stream depends on its lines and not on their batches', async () => {
  const lines = Array.from({ length: 1_700 }, (_, i): Line => `{"n":${i}}`)
  const digestOf = async (all: readonly Line[], step: number) => {
    const digest = createLineDigest()
    for (let i = 0; i < all.length; i += step) await digest.add(all.slice(i, i + step))
    return digest.value()
  }
  const whole = await digestOf(lines, 1_700)
  expect(whole).toMatch(/^[0-9a-f]{64}$/)
  for (const step of [1, 7, 499, 500, 501]) expect(await digestOf(lines, step)).toBe(whole)
  for (const at of [0, 499, 500, 1_699]) {
    expect(await digestOf(lines.with(at, 'other'), 500)).not.toBe(whole)
    expect(await digestOf(lines.toSpliced(at, 1), 500)).not.toBe(whole)
  }
  expect(await digestOf(['a\u0000', 'b'], 1)).not.toBe(await digestOf(['a', '\u0000b'], 1))
})
