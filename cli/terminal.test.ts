import { afterEach, expect, test, vi } from 'vitest'
import { createTerminal } from './terminal.ts'

afterEach(() => void vi.restoreAllMocks())

/** What a terminal without colour prints. */
function printed(print: (terminal: ReturnType<typeof createTerminal>) => void): string {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  print(createTerminal(false))
  return log.mock.calls.flat().join('\n')
}

test.each(['\x1b[2J', '\x07', '\x9b2J', '\r', '\x7f'])(
  'the control characters %j that a client sent do not reach the terminal',
  (control) => {
    const sent = `a${control}b`
    const table = printed(({ printTable }) => printTable(['Name', sent], [[sent, 'x']]))
    const text = printed(({ printText }) => printText(`${sent}\n\t${sent}`))
    for (const output of [table, text]) {
      expect(output).not.toContain(control)
      expect(output.replaceAll('\n', '').replaceAll('\t', '')).not.toMatch(/\p{Cc}/u)
      expect(output.match(/a.+b/g)?.length).toBeGreaterThanOrEqual(2)
    }
  },
)
