import { endOfString } from './json.ts'

/**
 * The elements of an array as written in the JSON text, for the original of a dead letter.
 * Requires valid JSON. A second walk over the text, so it runs only where an event was rejected.
 * @param member of the root object that contains the array; without it the root is the array
 */
export function elementTexts(text: string, member?: string): string[] {
  const start = member === undefined ? skipSpace(text, 0) : memberStart(text, member)
  if (start === undefined || text[start] !== '[') return []
  const found: string[] = []
  for (let i = skipSpace(text, start + 1); i < text.length && text[i] !== ']'; ) {
    const end = endOfValue(text, i)
    found.push(text.slice(i, end))
    i = skipSpace(text, end)
    if (text[i] === ',') i = skipSpace(text, i + 1)
  }
  return found
}

/** Where the value of the root's last member with that name begins: the last duplicate wins. */
function memberStart(text: string, member: string): number | undefined {
  let found: number | undefined
  const root = skipSpace(text, 0)
  if (text[root] !== '{') return undefined
  for (let i = skipSpace(text, root + 1); text[i] === '"'; ) {
    const keyEnd = endOfString(text, i)
    const value = skipSpace(text, skipSpace(text, keyEnd) + 1)
    if (JSON.parse(text.slice(i, keyEnd)) === member) found = value
    i = skipSpace(text, endOfValue(text, value))
    if (text[i] === ',') i = skipSpace(text, i + 1)
  }
  return found
}

function endOfValue(text: string, start: number): number {
  let depth = 0
  for (let i = start; i < text.length; ) {
    const c = text[i] as string
    if (c === '"') {
      i = endOfString(text, i)
      if (depth === 0) return i
    } else if (c === '{' || c === '[') {
      depth++
      i++
    } else if (c === '}' || c === ']') {
      if (depth === 0) return i
      i++
      if (--depth === 0) return i
    } else if (depth === 0 && (c === ',' || isSpace(c))) return i
    else i++
  }
  return text.length
}

function skipSpace(text: string, start: number): number {
  let i = start
  while (i < text.length && isSpace(text[i] as string)) i++
  return i
}

function isSpace(c: string): boolean {
  return c === ' ' || c === '\n' || c === '\r' || c === '\t'
}
