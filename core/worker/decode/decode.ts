import { isUtf8 } from 'node:buffer'
import { LIMITS } from '../../../contract/limits.ts'
import { decodeRecord } from '../../../contract/log/record.ts'
import type { LogBatch, LogRecord } from '../../log/log.ts'
import type { PoisonReasons } from '../write/poison-records.ts'
import { bareDeadLetter, classifyRecord, type ReadValue, tenantNamed } from './classify-record.ts'
import type { Decoded } from './decoded.ts'
import type { Tenants } from './tenant-settings.ts'
import type { TimeRules } from './time-rules.ts'

/**
 * Every record of a batch, in the order of the log. Looks up tenants that it does not know yet, in one query.
 * @param poisoned records that could not be written in an earlier attempt: they become dead letters
 */
export async function decodeBatch(
  batch: LogBatch,
  tenants: Tenants,
  poisoned: PoisonReasons,
  { nowMs, ageDaysMax = LIMITS.logAgeDaysMax }: { nowMs: number; ageDaysMax?: number } = {
    nowMs: Date.now(),
  },
): Promise<Decoded[]> {
  const read: { record: LogRecord; value: ReadValue }[] = []
  const named = new Set<string>()
  for (const { records } of batch.partitions)
    for (const record of records) {
      const value = readValue(record.value)
      const tenant = tenantNamed(value)
      if (tenant !== undefined) named.add(tenant)
      if (read.push({ record, value }) % SLICE_RECORDS === 0) await nextTurn()
    }
  await tenants.learn([...named])
  const times: TimeRules = { nowMs, ageDaysMax }
  const context = { tenants, poisoned, times }
  return read.map(({ record, value }) => {
    try {
      return classifyRecord(record, value, context)
    } catch (error) {
      // A bug of ours must cost this record and not stop the partition.
      const tenant = tenants.get(tenantNamed(value) ?? '')
      const deadLetter = bareDeadLetter(record, tenant, times, String(error))
      return { kind: 'dead-letter', deadLetter }
    }
  })
}

/**
 * Records decoded in one go. The batch before is being written meanwhile, statement by statement, and each
 * statement's result needs a turn of the event loop: else Postgres would idle while a whole batch is decoded.
 */
const SLICE_RECORDS = 200

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function readValue(value: Buffer): ReadValue {
  if (!isUtf8(value))
    return { ok: false, reason: 'NOT_UTF8', detail: 'the value is not UTF-8', claimed: {} }
  try {
    return decodeRecord(value.toString('utf8'))
  } catch (error) {
    // A bug of ours, as in decodeBatch.
    return { ok: false, reason: 'NOT_A_RECORD', detail: String(error).slice(0, 200), claimed: {} }
  }
}
