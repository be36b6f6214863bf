import { expect, test } from 'vitest'
import { MCP_LIMITS } from './limits.ts'
import { tokensOf } from './tokens.ts'
import { toText } from './tool-text.ts'

test('a text with the note on rows that are left out takes at most its tokens, and half of them at least', () => {
  const rows = Array.from({ length: 5_000 }, (_, i) => [i])
  const output = { facts: { range: 'a day' }, subject: { metric: 'signup' }, columns: ['n'], rows }
  for (let tokensMax: number = MCP_LIMITS.tokensMin; tokensMax < 600; tokensMax += 7) {
    const text = toText(output, tokensMax)
    expect(text).toMatch(/^note: \d+ of 5000 rows are shown; pass max_tokens/m)
    expect(tokensOf(text)).toBeLessThanOrEqual(tokensMax)
    expect(tokensOf(text)).toBeGreaterThan(tokensMax / 2)
  }
})
