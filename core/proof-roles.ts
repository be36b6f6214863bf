import type { Logger } from 'pino'
import type { Log } from './log/log.ts'
import { createLogCounter } from './proof/count-log.ts'
import { createVerificationWatch } from './proof/verify/watch/watch.ts'
import type { VerificationConfig } from './verification-config.ts'

export interface ProofOptions {
  databaseUrl: string
  logger: Logger
  /** Nothing is verified by itself unless given. */
  verification?: VerificationConfig | undefined
}

/** Counts the log, and verifies what is stored, beside the worker. Ends when `signal` aborts. */
export async function runProof(
  { databaseUrl, logger, verification }: ProofOptions,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const deps = { databaseUrl, log, logger }
  await Promise.all([
    createLogCounter(deps).run(signal),
    verification && createVerificationWatch({ ...deps, ...verification }).run(signal),
  ])
}
