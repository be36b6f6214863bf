import { decodeRecord } from '../../../contract/log/record.ts'
import { DAY_MS, isoDay } from '../../db/day-partitions.ts'
import {
  type Corrected,
  type CurrentRules,
  correctRecord,
  refuse,
} from '../../dead-letters/corrected-record.ts'
import type { JsonPatch } from '../../dead-letters/json-patch.ts'
import { WORKBENCH_LIMITS } from '../../dead-letters/limits.ts'
import { classifyRecord } from '../decode/classify-record.ts'
import type { Decoded, EventRow } from '../decode/decoded.ts'
import type { Tenants } from '../decode/tenant-settings.ts'
import type { DeadLetterOutcome, OpenJob } from './job.ts'
import type { JobDeadLetter } from './read-dead-letters.ts'

/** A dead letter whose event may be stored; `expired`: only if it is stored already. */
export interface Candidate {
  deadLetter: JobDeadLetter
  row: EventRow
  expired?: { code: string; detail: string }
}

export interface DecodedStep {
  /** As many as the step had time for, in their order. */
  deadLetters: JobDeadLetter[]
  candidates: Candidate[]
  /** Of the others. */
  outcomes: DeadLetterOutcome[]
}

export interface DecodeContext {
  job: OpenJob
  patch: JsonPatch | undefined
  rules: (keyId: string | null) => CurrentRules
  tenants: Tenants
  nowMs: number
  /** Of events received on an earlier day nothing can tell whether they counted already. */
  oldestDay: number
}

/** Corrects dead letters and classifies what they become, as the worker classifies records. */
export function decodeCorrected(
  deadLetters: readonly JobDeadLetter[],
  context: DecodeContext,
): DecodedStep {
  const step: DecodedStep = { deadLetters: [], candidates: [], outcomes: [] }
  const deadline = performance.now() + WORKBENCH_LIMITS.stepMsMax
  for (const deadLetter of deadLetters) {
    if (step.deadLetters.length > 0 && performance.now() >= deadline) break
    step.deadLetters.push(deadLetter)
    const { id, cursor } = deadLetter
    const decoded = decodeOne(deadLetter, context)
    if ('row' in decoded) step.candidates.push(decoded)
    else
      step.outcomes.push({
        ...{ id, cursor, code: decoded.code, detail: shorten(decoded.detail) },
        outcome: decoded.kind === 'refused' ? 'refused' : 'dead',
      })
  }
  return step
}

function decodeOne(
  deadLetter: JobDeadLetter,
  { job, patch, rules, tenants, nowMs, oldestDay }: DecodeContext,
): Candidate | Exclude<Corrected, { kind: 'record' }> {
  const { partition, offset, receivedMs, keyId } = deadLetter
  const corrected = correctRecord(deadLetter, patch, rules(keyId))
  if (corrected.kind !== 'record') return corrected
  if (Math.floor(receivedMs / DAY_MS) < oldestDay)
    return refuse('DAY_EXPIRED', `events received before ${isoDay(oldestDay)} are no longer kept`)
  const value = decodeRecord(corrected.value.toString('utf8'))
  const timestamp = value.ok ? value.received.ms : receivedMs
  // The time at which the log took it is not kept. It does not decide whether a bucket is revised: how far everything was applied does.
  const record = { partition, offset, timestamp, key: null, value: corrected.value }
  const times = { nowMs, ageDaysMax: Number.POSITIVE_INFINITY }
  const decoded: Decoded = classifyRecord(record, value, { tenants, poisoned: new Map(), times })
  const row = decoded.kind === 'event' ? decoded.row : decoded.expired
  if (row && (row.tenantId !== job.tenantId || row.received.ms !== receivedMs))
    return refuse('NOT_REPLAYABLE', 'its tenant or its time of receipt cannot be believed')
  if (decoded.kind === 'event') return { deadLetter, row: decoded.row }
  const { reason, detail } = decoded.deadLetter
  return row
    ? { deadLetter, row, expired: { code: reason, detail: shorten(detail) } }
    : { kind: 'invalid', code: reason, detail }
}

/** A detail names members of the event, which may hold what Postgres stores in no text; the end may cut a pair of code units. */
const shorten = (detail: string) => detail.replaceAll('\0', '').slice(0, 200).toWellFormed()
