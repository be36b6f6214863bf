import type { Generated, GeneratedAlways } from 'kysely'
import type { Time, TimeWithDefault } from './column-types.ts'

/** The tables of the balance sheet and of verifications. */
export interface ProofTables {
  log_count_position: LogCountPositionTable
  log_count_lease: LogCountLeaseTable
  log_count_batch: LogCountBatchTable
  log_count_minute: LogCountMinuteTable
  log_count_moved: LogCountMovedTable
  unaccounted_minute: UnaccountedMinuteTable
  balance_check: BalanceCheckTable
  verification: VerificationTable
  verification_part: VerificationPartTable
  canary: CanaryTable
  canary_sender: CanarySenderTable
  rollup_difference: RollupDifferenceTable
  verification_state: VerificationStateTable
}

export interface LogCountPositionTable {
  partition: number
  next_offset: number
  log_identity: string
  counted_at: Time | null
  complete_since: Time | null
}

export interface LogCountLeaseTable {
  only_row: Generated<boolean>
  holder: string
  beat_at: Time
}

export interface LogCountBatchTable {
  batch_id: GeneratedAlways<number>
  partition: number
  base_offset: number
  next_offset: number
  tenants: number[]
  minutes: number[]
  lengths: number[]
  names: string[]
  is_lost: Generated<boolean>
}

export interface LogCountMinuteTable {
  tenant_id: number
  minute: Time
  partition: number
  records: number
  first_offset: number
  last_offset: number
}

export interface LogCountMovedTable {
  dead_letter_id: number
  tenant_id: number
  minute: Time
  stated_tenant: string
  stated_minute: Time
}

export interface UnaccountedMinuteTable {
  tenant_id: number
  minute: Time
  unaccounted: number
  found_at: Time
}

export interface BalanceCheckTable {
  only_row: Generated<boolean>
  checked_at: Time
  swept_at: Time | null
}

export interface VerificationTable {
  verification_id: GeneratedAlways<number>
  tenant_id: number
  started_at: TimeWithDefault
  finished_at: Time | null
  arguments: Record<string, unknown>
  differences: number | null
}

export interface VerificationPartTable {
  verification_id: number
  part: string
  result: Record<string, unknown>
}

export interface CanaryTable {
  canary_id: string
  edge: string
  sent_at: TimeWithDefault
  accepted_at: Time | null
  visible_at: Time | null
  failing: 'edge' | 'gateway' | 'log' | 'worker' | 'redis' | null
}

export interface CanarySenderTable {
  only_row: Generated<boolean>
  sent_at: Time
  interval_s: number
  edges: string[]
  target_s: number
  objective: number
}

export interface RollupDifferenceTable {
  tenant_id: number
  kind: string
  metric: string
  bucket: Time
  stored: string | null
  recounted: string | null
  found_at: Time
  checked_at: Time
}

export interface VerificationStateTable {
  only_row: Generated<boolean>
  sampled_at: Time | null
  swept_at: Time | null
  finished_at: Time | null
  is_clean: boolean | null
  differences: number | null
  through: Time | null
}
