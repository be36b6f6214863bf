/** What Postgres gives for `properties ->> key`: a metric's series has to be the group that a query of events finds. */
export function propertyText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  return jsonbText(value)
}

/** A value as jsonb writes it: blanks after `:` and `,`, shorter keys first, numbers without an exponent. */
function jsonbText(value: unknown): string {
  if (typeof value === 'number') return plainNumber(value)
  if (Array.isArray(value)) return `[${value.map(jsonbText).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value)
    .map(([key, member]) => ({ key, bytes: Buffer.from(key), member }))
    .sort((a, b) => a.bytes.length - b.bytes.length || Buffer.compare(a.bytes, b.bytes))
  return `{${members.map(({ key, member }) => `${JSON.stringify(key)}: ${jsonbText(member)}`).join(', ')}}`
}

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
