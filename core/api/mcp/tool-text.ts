import { MCP_LIMITS } from './limits.ts'
import { tokensOf } from './tokens.ts'
import { createFence, toSafeJson } from './untrusted.ts'

/** What a tool found: facts of ours, and below them data that may hold text from events. */
export interface ToolOutput {
  /** In this order, as `name: value`. No text from events, nor what a caller may have copied from one. */
  facts: Readonly<Record<string, string | number | boolean | null | undefined>>
  /** Sentences on what is missing or not certain. */
  notes?: readonly string[]
  /** The first line of the data: what was asked, and the link. */
  subject: Readonly<Record<string, unknown>>
  columns?: readonly string[]
  /** One line each; those that do not fit are left out, and that is stated. */
  rows?: readonly (readonly unknown[] | object)[]
  /** What to change to see all rows. */
  hint?: string
}

/** @param tokensMax of the whole text, which is kept unless facts, notes and subject alone take more */
export function toText(output: ToolOutput, tokensMax: number = MCP_LIMITS.tokensDefault): string {
  const { facts, notes = [], subject, columns, rows = [], hint } = output
  const fence = createFence()
  const header = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value === null ? 'none' : value}`)
  header.push(...notes.map((note) => `note: ${note}`))
  const before = [fence.open, toSafeJson(subject)]
  if (columns && rows.length > 0) before.push(toSafeJson(columns))
  let left = tokensMax - tokensOf([...header, ...before, fence.close].join('\n'))
  left -= MCP_LIMITS.tokensOfHint
  const shown: string[] = []
  for (const row of rows) {
    const line = toSafeJson(row)
    left -= tokensOf(line) + 1
    if (left < 0) break
    shown.push(line)
  }
  if (shown.length < rows.length)
    header.push(`note: ${shown.length} of ${rows.length} rows are shown; ${hint ?? HINT}`)
  return [...header, ...before, ...shown, fence.close].join('\n')
}

const HINT = `pass max_tokens (at most ${MCP_LIMITS.tokensMax}) to see more.`
