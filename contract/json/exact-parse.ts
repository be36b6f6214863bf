/**
 * JSON.parse that returns every key as it was written. V8 (in Node 24 and Deno 2.9; not in the pinned workerd)
 * misreads an escaped key when any object parsed earlier had, at the same position, a key that equals the
 * first characters of the escape: after `{"a":1,"\\":2}` the text `{"a":1,"\u540d":2}`
 * gives the key `\` (nodejs/node#63785). Texts without an escaped key are left to JSON.parse; the
 * others are built here. Duplicate keys: the last one wins, as in ECMAScript.
 * @throws SyntaxError, as JSON.parse
 */
export function parseExactly(text: string): unknown {
  const value: unknown = JSON.parse(text)
  return hasEscapedKey(text) ? build(text) : value
}

/** @param text valid JSON, so that each backslash is inside a string */
function hasEscapedKey(text: string): boolean {
  for (let i = text.indexOf('\\'); i >= 0; ) {
    const end = endOfString(text, i)
    if (text[skipSpaces(text, end)] === ':') return true
    i = text.indexOf('\\', end)
  }
  return false
}

/** @param from inside the string, at an escape or a plain character @returns the index after its closing quote */
function endOfString(text: string, from: number): number {
  let i = from
  while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1
  return i + 1
}

function skipSpaces(text: string, from: number): number {
  let i = from
  while (SPACES.has(text.charCodeAt(i))) i++
  return i
}

const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d])
const ENDS = /[\s,\]}]/g

type Container = { list: unknown[] } | { members: Record<string, unknown>; key: string | undefined }

/** Uses an explicit stack: text can be nested deeper than the call stack allows. */
function build(text: string): unknown {
  const open: Container[] = []
  let whole: unknown
  for (let i = skipSpaces(text, 0); i < text.length; i = skipSpaces(text, i)) {
    const c = text[i] as string
    if (c === ',' || c === ':') i++
    else if (c === '}' || c === ']') {
      open.pop()
      i++
    } else if (c === '{' || c === '[') {
      const container: Container = c === '[' ? { list: [] } : { members: {}, key: undefined }
      put('list' in container ? container.list : container.members)
      open.push(container)
      i++
    } else {
      const end = c === '"' ? endOfString(text, i + 1) : endOfWord(text, i)
      const value: unknown = JSON.parse(text.slice(i, end))
      const inside = open.at(-1)
      if (inside && 'members' in inside && inside.key === undefined) inside.key = value as string
      else put(value)
      i = end
    }
  }
  return whole

  function put(value: unknown): void {
    const inside = open.at(-1)
    if (!inside) whole = value
    else if ('list' in inside) inside.list.push(value)
    else {
      const key = inside.key as string
      inside.key = undefined
      // An assignment would set the prototype instead of a member.
      if (key === '__proto__')
        Object.defineProperty(inside.members, key, {
          value,
          enumerable: true,
          writable: true,
          configurable: true,
        })
      else inside.members[key] = value
    }
  }
}

function endOfWord(text: string, from: number): number {
  ENDS.lastIndex = from
  return ENDS.exec(text)?.index ?? text.length
}
