export interface JsonToken {
  kind: 'key' | 'string' | 'number' | 'literal' | 'plain'
  text: string
}

/** Indented JSON as tokens that can be coloured; joined they are the JSON text. */
export function tokenizeJson(value: unknown): JsonToken[] {
  const text = JSON.stringify(value, null, 2) ?? 'null'
  const tokens: JsonToken[] = []
  let end = 0
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > end) tokens.push({ kind: 'plain', text: text.slice(end, match.index) })
    const [whole, string, colon, number] = match
    if (string !== undefined && colon !== undefined)
      tokens.push({ kind: 'key', text: string }, { kind: 'plain', text: colon })
    else tokens.push({ kind: string ? 'string' : number ? 'number' : 'literal', text: whole })
    end = match.index + whole.length
  }
  if (end < text.length) tokens.push({ kind: 'plain', text: text.slice(end) })
  return tokens
}

const TOKEN = /("(?:[^"\\]|\\.)*")(:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(?:true|false|null)\b/g
