/** Output for a person. Colour only on a terminal without NO_COLOR; progress only on a terminal. */
export interface Terminal {
  print(line?: string): void
  /** Text that a client sent: line breaks and tabs stay, other control characters are shown by their code. */
  printText(text: string): void
  printJson(value: unknown): void
  /** One line of what failed, one line of what to do, on standard error. */
  printError(message: string, hint?: string): void
  /** Aligned columns under a header. */
  printTable(header: readonly string[], rows: readonly (readonly string[])[]): void
  accent(text: string): string
  muted(text: string): string
  /** A bar with percent, rate and time left, for anything that takes over a second. */
  progress(total: number, unit: string): { update(done: number): void; end(): void }
}

/** How texts name this command; in an image there is no npm script for it. */
const COMMAND = 'npm run sluice --'

/** @param command how this command is run here */
export function createTerminal(colour: boolean, command: string = COMMAND): Terminal {
  const here = (text: string) => text.replaceAll(COMMAND, command)
  const paint = (code: string) => (text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  const accent = paint('36')
  const muted = paint('2')
  const isInteractive = process.stderr.isTTY === true

  return {
    print: (line = '') => console.log(here(line)),
    printText: (text) =>
      console.log(
        text
          .split(/(?<=\n|\t)|(?=\n|\t)/)
          .map((part) => (/^[\n\t]$/.test(part) ? part : withoutControls(part)))
          .join(''),
      ),
    printJson: (value) => console.log(JSON.stringify(value, null, 2)),
    printError(message, hint) {
      console.error(`${accent('✗')} ${here(message)}`)
      if (hint) console.error(`  ${here(hint)}`)
    },
    printTable(unsafeHeader, unsafeRows) {
      const header = unsafeHeader.map(withoutControls)
      const rows = unsafeRows.map((row) => row.map(withoutControls))
      const widths = header.map((name, i) =>
        Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)),
      )
      const line = (cells: readonly string[]) =>
        cells
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()
      console.log(muted(line(header)))
      for (const row of rows) console.log(line(row))
    },
    accent,
    muted,
    progress(total, unit) {
      const started = Date.now()
      let shownAt = 0
      return {
        update(done) {
          if (!isInteractive || Date.now() - shownAt < 100) return
          shownAt = Date.now()
          const seconds = (shownAt - started) / 1000
          const rate = done / Math.max(seconds, 0.001)
          const share = done / Math.max(total, 1)
          const filled = Math.round(20 * share)
          const left = rate > 0 ? Math.ceil((total - done) / rate) : 0
          process.stderr.write(
            `\r\x1b[2K${accent('━'.repeat(filled))}${muted('━'.repeat(20 - filled))} ${Math.floor(100 * share)} % · ${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${unit} · ${Math.round(rate).toLocaleString('en')}/s · ${left} s left`,
          )
        },
        end() {
          if (isInteractive) process.stderr.write('\r\x1b[2K')
        },
      }
    },
  }
}

/**
 * Text that clients sent, such as names and properties, must not move the cursor, change colours or reorder what is
 * around it: control and formatting characters are shown by their code.
 */
function withoutControls(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u${character.codePointAt(0)?.toString(16).padStart(4, '0')}`,
  )
}
