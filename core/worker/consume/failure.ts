/**
 * What a failed write means, by SQLSTATE class or code. Rows that Postgres itself refuses are looked
 * for and dead-lettered; everything else is tried again for as long as it takes, because giving up
 * would lose events. Retryability is this table and nothing else.
 */
export type Failure =
  /** One of the rows is at fault. */
  | 'row'
  /** Expected now and then; the next attempt decides. */
  | 'retry'
  /** Not expected, and no row's fault: it is tried again, and a person should look. */
  | 'alarm'
  /** Not expected either; it may be a row's fault (core/worker/write/poison-records.ts). */
  | 'unknown'

const TABLE: readonly [prefix: string, failure: Failure][] = [
  ['23505', 'retry'], // a duplicate slipped past the look-up: the next one sees it
  ['23514', 'row'], // check_violation; without a constraint see below
  ['2200H', 'alarm'], // sequence_generator_limit_exceeded: ids have run out, whatever is in a row
  ['22', 'row'], // data exceptions: 22P02, 22P05, 22021, 22003 …
  ['54', 'row'], // program limits: an index entry too large …
  ['40001', 'retry'], // serialization_failure
  ['40P01', 'retry'], // deadlock_detected
  ['55P03', 'retry'], // lock_not_available
  ['57P', 'retry'], // shut down, crashed, starting up
  ['57014', 'retry'], // statement_timeout
  ['53', 'alarm'], // disk full, out of memory, too many connections
  ['58', 'alarm'], // the disk fails
  ['XX001', 'alarm'], // data corrupted
  ['XX002', 'alarm'], // index corrupted
  ['25', 'alarm'], // read-only: a replica; or a transaction in a state of its own
  ['28', 'alarm'], // authentication failed
  ['42', 'alarm'], // missing or not allowed: tables and columns (a newer schema), never what is in a row
  ['08', 'retry'], // connection exceptions
  ['FENCED', 'retry'], // another worker owns the partition now (core/worker/write/positions.ts)
]

/** Node's codes for a connection that is gone or was never made. */
const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])

export function classifyFailure(error: unknown): Failure {
  const { code, message, constraint } = error as Record<string, unknown>
  if (typeof code === 'string') {
    if (CONNECTION_CODES.has(code)) return 'retry'
    // A partition is missing, because somebody else took it away: it is created before the next attempt.
    if (code === '23514' && constraint === undefined) return 'retry'
    const found = TABLE.find(([prefix]) => code.startsWith(prefix))
    if (found) return found[1]
  }
  // pg has no code for these.
  if (typeof message === 'string' && /Connection terminated|timeout|not queryable/i.test(message))
    return 'retry'
  return 'unknown'
}
