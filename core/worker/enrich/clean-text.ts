/** Of a derived value: less than queries and metrics cut a dimension at. */
const CHARS_MAX = 200

/**
 * A text that can be stored and shown on one line.
 * @returns undefined where nothing is left, or it is not a text
 */
export function cleanText(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined
  // Most are short, ASCII and clean.
  if (text.length <= CHARS_MAX && CLEAN.test(text)) return text
  const line = text
    .slice(0, 4 * CHARS_MAX)
    .toWellFormed()
    .replace(/\p{Cc}/gu, ' ')
    .trim()
  return [...line].slice(0, CHARS_MAX).join('') || undefined
}

const CLEAN = /^[!-~](?:[ -~]*[!-~])?$/
