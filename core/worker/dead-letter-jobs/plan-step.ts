import type pg from 'pg'
import { deduplicateReplayed } from '../write/deduplicate-replayed.ts'
import type { DecodedStep } from './decode-corrected.ts'
import type { DeadLetterOutcome } from './job.ts'

/** What would become of these dead letters, in their order. */
export async function planStep(
  client: pg.Client,
  { deadLetters, candidates, outcomes }: DecodedStep,
): Promise<DeadLetterOutcome[]> {
  const expired = new Map(candidates.map(({ row, expired }) => [row, expired]))
  const rows = candidates.map(({ row }) => row)
  const found = await deduplicateReplayed(client, rows, (row) => expired.get(row) !== undefined)
  const [stored, duplicates, conflicting] = [
    new Set(found.newRows),
    new Set(found.duplicates),
    new Set(found.conflicting),
  ]
  const byId = new Map(outcomes.map((outcome) => [outcome.id, outcome]))
  for (const { deadLetter, row, expired } of candidates) {
    const { id, cursor } = deadLetter
    if (stored.has(row)) byId.set(id, { id, cursor, outcome: 'stored' })
    else if (duplicates.has(row)) byId.set(id, { id, cursor, outcome: 'duplicate' })
    else if (conflicting.has(row)) byId.set(id, { id, cursor, outcome: 'conflicting' })
    else byId.set(id, { id, cursor, outcome: 'dead', ...expired })
  }
  return deadLetters.map(({ id }) => byId.get(id) as DeadLetterOutcome)
}
