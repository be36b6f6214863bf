import { formatCount } from './format.ts'
import type { Summary } from './send-events.ts'
import type { Terminal } from './terminal.ts'

export function printSummary(terminal: Terminal, summary: Summary): void {
  const { accepted, rejected, duplicate, dead, seconds, errors } = summary
  const parts = [`${formatCount(accepted)} accepted`, `${formatCount(rejected)} rejected`]
  if (duplicate !== null) parts.push(`${formatCount(duplicate)} duplicate`)
  if (dead) parts.push(`${formatCount(dead)} ${dead === 1 ? 'dead letter' : 'dead letters'}`)
  terminal.print(`${parts.join(', ')} in ${seconds.toFixed(1)} s`)
  for (const { index, code, pointer, detail } of errors)
    terminal.print(`  event ${index}: ${code} ${pointer} ${detail}`)
}
