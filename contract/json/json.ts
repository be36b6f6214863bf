import { LIMITS } from '../limits.ts'
import { parseExactly } from './exact-parse.ts'

/**
 * JSON that loses nothing on the way in. `JSON.parse` changes some numbers silently (1e400 becomes
 * Infinity, 9007199254740993 becomes …992); here they are found and named by pointer. Keys: parseExactly.
 * Duplicate keys: the last one wins, as in ECMAScript.
 */
export type ParsedJson =
  | { ok: true; value: unknown; badNumbers: readonly BadNumber[] }
  | { ok: false; detail: string }

export interface BadNumber {
  /** RFC 6901, from the root of the text; its first POINTER_STEPS_MAX steps. */
  pointer: string
  /** As it was written, cut at 40 characters. */
  written: string
}

/**
 * A number that a double may not hold: 17 digits, or 16 of which the first is 9, or a long fraction,
 * or an exponent of three digits. A first look that never misses one and is seldom wrong, because
 * a walk over the text costs more than parsing it.
 */
const SUSPECT_NUMBER = /[[:,\s]-?(?:\d{17}|9\d{15}|\d+(?:\.\d+)?[eE][+-]?\d{3}|0\.0{200})/

/** @param text at most LIMITS.bodyBytesMax; what the size of the work is bounded by */
export function parseJson(text: string): ParsedJson {
  let value: unknown
  try {
    value = parseExactly(text)
  } catch (error) {
    return { ok: false, detail: `The body is not valid JSON: ${describePosition(error)}` }
  }
  const suspect = typeof value === 'number' || SUSPECT_NUMBER.test(text)
  const badNumbers = suspect ? findBadNumbers(text) : []
  // Beyond the bound they were not looked for, so nothing may be taken.
  if (badNumbers.length === BAD_NUMBERS_MAX)
    return {
      ok: false,
      detail: `The body holds ${BAD_NUMBERS_MAX.toLocaleString('en')} or more numbers that a double cannot hold; send them as strings.`,
    }
  return { ok: true, value, badNumbers }
}

/**
 * Whether JSON text may hold a string that Postgres cannot store (NUL or a lone surrogate can only
 * come as an escape, since the text itself is UTF-8), a number that a double cannot hold, or more
 * levels than may be walked without a look.
 */
export function needsDeepCheck(text: string): boolean {
  return text.includes('\\u') || SUSPECT_NUMBER.test(text) || opensOften(text)
}

/** A value cannot be deeper than it has brackets; most events have fewer than the depth allowed. */
function opensOften(text: string): boolean {
  let left: number = LIMITS.propertiesDepthMax
  for (const bracket of ['{', '[']) {
    for (let i = text.indexOf(bracket); i >= 0; i = text.indexOf(bracket, i + 1))
      if (--left < 0) return true
  }
  return false
}

/** Ten for each event of a full batch. With the bounds on a pointer it bounds the walk's work. */
const BAD_NUMBERS_MAX = 10 * LIMITS.batchEventsMax
const POINTER_STEPS_MAX = LIMITS.propertiesDepthMax + 4

/** Walks valid JSON text, to the end or BAD_NUMBERS_MAX. The stack is our own. */
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
      if (!holds(written))
        found.push({ pointer: boundedPointer(path), written: written.slice(0, 40) })
      if (found.length === BAD_NUMBERS_MAX) return found
      i = end
    } else i++
  }
  return found
}

/**
 * Not Infinity, not a non-zero number that becomes 0, not a whole number that comes out with other
 * digits when it is written again: 2^60 is a double, but JSON.stringify spells it …847000. A fraction
 * is taken as the nearest double, which is what every JSON reader gives back.
 */
function holds(written: string): boolean {
  const value = Number(written)
  if (!Number.isFinite(value)) return false
  if (value === 0) return !/[1-9]/.test(written.split(/[eE]/)[0] as string)
  if (/[.eE]/.test(written)) return true
  return Number.isSafeInteger(value) || BigInt(written) === wholeOf(String(value))
}

/** `1.25e+30` too: from 1e21 on that is how whole doubles are spelt. */
function wholeOf(spelt: string): bigint {
  const [digits = '', exponent = '0'] = spelt.split('e+')
  const [whole = '', fraction = ''] = digits.split('.')
  return BigInt(whole + fraction + '0'.repeat(Number(exponent) - fraction.length))
}

/** Text of 1 MiB can be one path of 1 MiB with a thousand numbers at its end. */
function boundedPointer(path: readonly (string | number)[]): string {
  const steps = path
    .slice(0, POINTER_STEPS_MAX)
    .map((step) => (typeof step === 'string' ? step.slice(0, LIMITS.propertyKeyCharsMax) : step))
  return pointerTo(steps).toWellFormed().slice(0, 1024)
}

/** Where the string that begins at `start` ends: the place after its closing quote. */
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

/** Engines word it differently and quote the text; only the place is ours to tell. */
function describePosition(error: unknown): string {
  const place = / JSON at position (\d+)(?: \(line \d+ column \d+\))?$/.exec(String(error))
  return place
    ? `unexpected text at position ${place[1]}.`
    : 'it ends too early or holds unexpected text.'
}
