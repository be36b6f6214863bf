import { METRIC_LIMITS } from './metric-limits.ts'

/** Filters compare texts of up to so many characters, and dimensions are cut earlier: beyond it nothing is read. */
export const PROPERTY_TEXT_CHARS_MAX = METRIC_LIMITS.filterValueCharsMax + 1

/**
 * What Postgres gives for `properties ->> key`: a metric's series has to be the group that a query of events finds. Of
 * objects and lists only the beginning is written, so that a metric costs no more for a large event than for a small one.
 */
export function propertyText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  return appendJsonb('', value).slice(0, PROPERTY_TEXT_CHARS_MAX)
}

/**
 * Appends a value as jsonb writes it: blanks after `:` and `,`, shorter keys first, numbers without an exponent.
 * @returns cut where it ends beyond the limit
 */
function appendJsonb(text: string, value: unknown): string {
  if (typeof value === 'number') return text + plainNumber(value)
  if (typeof value === 'string') return text + jsonString(value)
  if (typeof value !== 'object' || value === null) return text + JSON.stringify(value)
  if (Array.isArray(value)) {
    let list = `${text}[`
    for (let i = 0; i < value.length && isOpen(list); i++)
      list = appendJsonb(i === 0 ? list : `${list}, `, value[i])
    return `${list}]`
  }
  let object = `${text}{`
  let separator = ''
  for (const key of sortedKeys(value)) {
    if (!isOpen(object)) break
    const member = (value as Record<string, unknown>)[key]
    object = appendJsonb(`${object}${separator}${jsonString(key)}: `, member)
    separator = ', '
  }
  return `${object}}`
}

function isOpen(text: string): boolean {
  return text.length < PROPERTY_TEXT_CHARS_MAX
}

/** A character becomes one or more. */
function jsonString(text: string): string {
  return JSON.stringify(text.slice(0, PROPERTY_TEXT_CHARS_MAX))
}

/** An object is sorted once, however many metrics read it. */
const sortedKeysOf = new WeakMap<object, readonly string[]>()
/** A member takes at least six characters of the text. */
const KEYS_MAX = Math.ceil(PROPERTY_TEXT_CHARS_MAX / 6)

function sortedKeys(object: object): readonly string[] {
  const known = sortedKeysOf.get(object)
  if (known) return known
  const keys = Object.keys(object)
    .map((key) => ({ key, bytes: Buffer.byteLength(key) }))
    .sort((a, b) => a.bytes - b.bytes || compareKeys(a.key, b.key))
    .slice(0, KEYS_MAX)
    .map(({ key }) => key)
  sortedKeysOf.set(object, keys)
  return keys
}

/** By the bytes of UTF-8. Where no character is above U+D7FF that is the order of JavaScript, too. */
function compareKeys(a: string, b: string): number {
  if (ABOVE_D7FF.test(a) || ABOVE_D7FF.test(b))
    return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}

const ABOVE_D7FF = /[\ud800-\uffff]/

/** `1e21` and `1e-7` as numeric writes them. */
function plainNumber(value: number): string {
  const text = String(value)
  if (!text.includes('e')) return text
  const [mantissa = '', exponent = ''] = text.split('e')
  const sign = mantissa.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  // A double with an exponent has fewer digits than that.
  return sign + digits.padEnd(point, '0')
}

/** What `properties -> key`, or `properties #> path`, gives: undefined where nothing is there. */
export function propertyAt(properties: unknown, path: readonly string[]): unknown {
  let at = properties
  for (const part of path) {
    if (Array.isArray(at)) at = elementAt(at, part)
    else if (typeof at === 'object' && at !== null && Object.hasOwn(at, part))
      at = (at as Record<string, unknown>)[part]
    else return undefined
    if (at === undefined) return undefined
  }
  return at
}

const INT32_MAX = 2 ** 31 - 1

/** Postgres reads an index as C does, and counts negative ones from the end. */
function elementAt(list: readonly unknown[], part: string): unknown {
  if (!/^[ \t\n\v\f\r]*[+-]?\d+$/.test(part)) return undefined
  const index = Number(part)
  if (Math.abs(index) > INT32_MAX) return undefined
  return list[index < 0 ? list.length + index : index]
}
