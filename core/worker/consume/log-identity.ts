import { TOPICS } from '../../../contract/log/topics.ts'
import type { Log } from '../../log/log.ts'
import type { ExecuteQuery } from './connection.ts'

/** The stored positions belong to another log than the one that is configured: nothing of it may be read. */
export class LogIdentityError extends Error {
  readonly recorded: string
  readonly found: string

  constructor(recorded: string, found: string) {
    super(
      `the stored positions belong to the log "${recorded}", and this is "${found}"; configure the former log, or decide with "sluice offsets adopt"`,
    )
    this.name = 'LogIdentityError'
    this.recorded = recorded
    this.found = found
  }
}

/**
 * The identity of the log, once it is certain that the positions of events.raw belong to it. The first worker that
 * reads a log records it.
 * @throws LogIdentityError · whatever the log or Postgres fails with
 */
export async function checkLogIdentity(
  execute: ExecuteQuery,
  log: Pick<Log, 'identity'>,
): Promise<string> {
  const topic = TOPICS.raw.name
  const found = await log.identity(topic)
  const recorded = await readRecordedIdentity(execute)
  if (recorded === found) return found
  if (recorded !== undefined) throw new LogIdentityError(recorded, found)
  // Of two workers that begin with different logs only one records its own.
  await execute(
    `UPDATE log_position p SET log_identity = $2
       FROM (SELECT bool_or(log_identity <> $2) AS other FROM
              (SELECT log_identity FROM log_position WHERE topic = $1 ORDER BY partition FOR UPDATE) rows) known
      WHERE p.topic = $1 AND p.log_identity IS NULL AND known.other IS NOT TRUE`,
    [topic, found],
  )
  const now = await readRecordedIdentity(execute)
  if (now !== found) throw new LogIdentityError(now ?? 'unknown', found)
  return found
}

async function readRecordedIdentity(execute: ExecuteQuery): Promise<string | undefined> {
  const { rows } = await execute(
    'SELECT log_identity AS identity FROM log_position WHERE topic = $1 ORDER BY log_identity NULLS LAST LIMIT 1',
    [TOPICS.raw.name],
  )
  return (rows[0]?.identity as string | null | undefined) ?? undefined
}
