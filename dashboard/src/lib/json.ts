export interface JsonWord {
  is: 'key' | 'string' | 'number' | 'word' | 'plain'
  text: string
}

/** Indented JSON, cut into words that can be coloured; joined they are the JSON again. */
export function wordsOf(value: unknown): JsonWord[] {
  const text = JSON.stringify(value, null, 2) ?? 'null'
  const words: JsonWord[] = []
  let end = 0
  for (const match of text.matchAll(WORD)) {
    if (match.index > end) words.push({ is: 'plain', text: text.slice(end, match.index) })
    const [whole, string, colon, number] = match
    if (string !== undefined && colon !== undefined)
      words.push({ is: 'key', text: string }, { is: 'plain', text: colon })
    else words.push({ is: string ? 'string' : number ? 'number' : 'word', text: whole })
    end = match.index + whole.length
  }
  if (end < text.length) words.push({ is: 'plain', text: text.slice(end) })
  return words
}

const WORD = /("(?:[^"\\]|\\.)*")(:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(?:true|false|null)\b/g
