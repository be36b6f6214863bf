import { LIMITS } from '../limits.ts'
import { parseExactly } from './exact-parse.ts'

/**
 * Lossless JSON. `JSON.parse` changes some numbers silently (1e400 becomes Infinity, 9007199254740993
 * becomes …992); these numbers are reported by pointer. Keys: see parseExactly.
 * Duplicate keys: the last one wins, as in ECMAScript.
 */
export type ParsedJson =
  | { ok: true; value: unknown; badNumbers: readonly BadNumber[] }
  | { ok: false; detail: string }

export interface BadNumber {
  /** RFC 6901, from the root of the text, cut after POINTER_STEPS_MAX steps. */
  pointer: string
  /** As it was written, cut at 40 characters. */
  written: string
}

/**
 * A number that a double may not hold: 17 digits, or 16 of which the first is 9, or a long fraction,
 * or an exponent of three digits. This filter has no false negatives and few false positives; it exists
 * because walking the text costs more than parsing it.
 */
const SUSPECT_NUMBER = /[[:,\s]-?(?:\d{17}|9\d{15}|\d+(?:\.\d+)?[eE][+-]?\d{3}|0\.0{200})/

/** @param text at most LIMITS.bodyBytesMax, which bounds the work */
export function parseJson(text: string): ParsedJson {
  let value: unknown
  try {
    value = parseExactly(text)
  } catch (error) {
    return { ok: false, detail: `The body is not valid JSON: ${describePosition(error)}` }
  }
  const suspect = typeof value === 'number' || SUSPECT_NUMBER.test(text)
  const badNumbers = suspect ? findBadNumbers(text) : []
  // The search stopped at the bound, so the whole body is rejected.
  if (badNumbers.length === BAD_NUMBERS_MAX)
    return {
      ok: false,
      detail: `The body contains ${BAD_NUMBERS_MAX.toLocaleString('en')} or more numbers that a double cannot hold; send them as strings.`,
    }
  return { ok: true, value, badNumbers }
}

/**
 * Whether JSON text may hold a string that Postgres cannot store (NUL or a lone surrogate can only
 * come as an escape, since the text itself is UTF-8), a number that a double cannot hold, or more
 * levels than may be walked unchecked.
 */
export function needsDeepCheck(text: string): boolean {
  return text.includes('\\u') || SUSPECT_NUMBER.test(text) || opensOften(text)
}

/** Brackets bound the depth; most events have fewer than the depth allowed. */
function opensOften(text: string): boolean {
  let left: number = LIMITS.propertiesDepthMax
  for (const bracket of ['{', '[']) {
    for (let i = text.indexOf(bracket); i >= 0; i = text.indexOf(bracket, i + 1))
      if (--left < 0) return true
  }
  return false
}

/** Ten for each event of a full batch. Together with the bounds on a pointer this bounds the walk. */
const BAD_NUMBERS_MAX = 10 * LIMITS.batchEventsMax
const POINTER_STEPS_MAX = LIMITS.propertiesDepthMax + 4

/** Walks valid JSON text to its end or to BAD_NUMBERS_MAX, with an explicit stack. */
export function findBadNumbers(text: string): BadNumber[] {
  const found: BadNumber[] = []
  const path: (string | number)[] = []
  let expectsKey = false
  for (let i = 0; i < text.length; ) {
    const c = text[i] as string
    if (c === '"') {
      const end = endOfString(text, i)
      if (expectsKey) {
        path[path.length - 1] = JSON.parse(text.slice(i, end)) as string
        expectsKey = false
      }
      i = end
    } else if (c === '{') {
      path.push('')
      expectsKey = true
      i++
    } else if (c === '[') {
      path.push(0)
      i++
    } else if (c === '}' || c === ']') {
      path.pop()
      expectsKey = false
      i++
    } else if (c === ',') {
      const last = path[path.length - 1]
      if (typeof last === 'number') path[path.length - 1] = last + 1
      else expectsKey = true
      i++
    } else if (c === '-' || (c >= '0' && c <= '9')) {
      let end = i + 1
      while (end < text.length && '0123456789+-.eE'.includes(text[end] as string)) end++
      const written = text.slice(i, end)
      if (!isExact(written))
        found.push({ pointer: boundedPointer(path), written: written.slice(0, 40) })
      if (found.length === BAD_NUMBERS_MAX) return found
      i = end
    } else i++
  }
  return found
}

/**
 * False for a number that becomes Infinity, for a non-zero number that becomes 0, and for an integer that is
 * written with other digits: 2^60 is a double, but JSON.stringify writes it as …847000. A fraction
 * becomes the nearest double, as in every JSON parser.
 */
function isExact(written: string): boolean {
  const value = Number(written)
  if (!Number.isFinite(value)) return false
  if (value === 0) return !/[1-9]/.test(written.split(/[eE]/)[0] as string)
  if (/[.eE]/.test(written)) return true
  return Number.isSafeInteger(value) || BigInt(written) === wholeOf(String(value))
}

/** Reads `1.25e+30` too: from 1e21 on, doubles are written with an exponent. */
function wholeOf(text: string): bigint {
  const [digits = '', exponent = '0'] = text.split('e+')
  const [whole = '', fraction = ''] = digits.split('.')
  return BigInt(whole + fraction + '0'.repeat(Number(exponent) - fraction.length))
}

/** Bounds the output: 1 MiB of text can be one path of 1 MiB that ends in a thousand numbers. */
function boundedPointer(path: readonly (string | number)[]): string {
  const steps = path
    .slice(0, POINTER_STEPS_MAX)
    .map((step) => (typeof step === 'string' ? step.slice(0, LIMITS.propertyKeyCharsMax) : step))
  return pointerTo(steps).toWellFormed().slice(0, 1024)
}

/** The index after the closing quote of the string that begins at `start`. */
export function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  return text.length
}

/** RFC 6901. */
export function pointerTo(path: readonly (string | number)[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** Engines word the error differently and quote the text, so only the position is reported. */
function describePosition(error: unknown): string {
  const match = / JSON at position (\d+)(?: \(line \d+ column \d+\))?$/.exec(String(error))
  return match
    ? `unexpected text at position ${match[1]}.`
    : 'it ends too early or contains unexpected text.'
}
