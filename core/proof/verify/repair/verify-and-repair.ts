import type { AuditActor } from '../../../identity/audit/audit-log.ts'
import type { VerifyReport } from '../difference.ts'
import { type VerifyOptions, verify } from '../verify.ts'
import { type RepairResult, repair } from './repair.ts'

export interface RepairReport extends VerifyReport, RepairResult {}

/** What follows from a repaired row shows only afterwards; and a report lists a limited number of differences. */
const ROUNDS_MAX = 5

/** Verifies, repairs, and verifies again, until nothing is left that can be repaired. The report is of the last time. */
export async function verifyAndRepair(
  options: VerifyOptions,
  by: AuditActor,
): Promise<RepairReport> {
  let report = await verify(options)
  const repaired: RepairResult['repaired'] = []
  let unrepaired: RepairResult['unrepaired'] = []
  for (let round = 1; round <= ROUNDS_MAX && report.differences.length > 0; round++) {
    const { databaseUrl, signal } = options
    const result = await repair({ ...{ databaseUrl, report, by }, ...(signal && { signal }) })
    repaired.push(...result.repaired)
    unrepaired = result.unrepaired
    if (result.repaired.length === 0) break
    report = await verify({ ...options, resume: false })
    // A minute that did not add up does once its outcomes are repaired.
    if (report.differences.length === 0) unrepaired = []
  }
  return { ...report, repaired, unrepaired }
}
