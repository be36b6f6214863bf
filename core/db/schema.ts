import type { Generated, GeneratedAlways } from 'kysely'
import type { AuditTables } from './tables/audit-tables.ts'
import type { Time, TimeWithDefault } from './tables/column-types.ts'
import type { DeadLetterTables } from './tables/dead-letter-tables.ts'
import type { EventTables } from './tables/event-tables.ts'
import type { KeyTables } from './tables/key-tables.ts'
import type { LongRollupTables } from './tables/long-rollup-tables.ts'
import type { MetricTables } from './tables/metric-tables.ts'
import type { PeopleTables } from './tables/people-tables.ts'
import type { ProofTables } from './tables/proof-tables.ts'
import type { ShapeTables } from './tables/shape-tables.ts'
import type { SignInTables } from './tables/sign-in-tables.ts'
import type { SketchTables } from './tables/sketch-tables.ts'

/** The tables as kysely sees them. schema.test.ts holds this file to a migrated database, column by column. */
export interface Schema
  extends AuditTables,
    DeadLetterTables,
    EventTables,
    KeyTables,
    LongRollupTables,
    MetricTables,
    PeopleTables,
    ProofTables,
    ShapeTables,
    SignInTables,
    SketchTables {
  tenant: TenantTable
  login_link: LoginLinkTable
  log_partition: LogPartitionTable
  log_chunk: LogChunkTable
  log_position: LogPositionTable
  log_lease: LogLeaseTable
  postgres_log: PostgresLogTable
  offset_gap: OffsetGapTable
  series: SeriesTable
  rollup_15m: Rollup15mTable
  outcome_minute: OutcomeMinuteTable
  outcome_total: OutcomeTotalTable
  outcome_total_by_partition: OutcomeTotalByPartitionTable
  watermark: WatermarkTable
  finality: FinalityTable
  worker_heartbeat: WorkerHeartbeatTable
  rest_group: RestGroupTable
  rest_instance: RestInstanceTable
  rest_position: RestPositionTable
  migration: MigrationTable
}

export interface TenantTable {
  tenant_id: GeneratedAlways<number>
  slug: string
  events_per_minute: number | null
  event_age_max_s: Generated<number>
  allowed_lateness_s: Generated<number>
  lateness_xid: string | null
  former_lateness_s: number | null
  final_floor: Time | null
  marked_floor: Time | null
  schema_versions: string[] | null
  enrich: string[] | null
  schemas_version: Generated<number>
  created_at: TimeWithDefault
  changed_xid: string | null
  metrics_version: Generated<number>
  metrics_activated_at: Time | null
}

export interface LoginLinkTable {
  token_sha256: Buffer
  expires_at: Time
  used_at: Time | null
}

export interface LogPartitionTable {
  topic: string
  partition: number
  next_offset: Generated<number>
}

export interface LogPositionTable {
  topic: string
  partition: number
  next_offset: Generated<number>
  log_identity: string | null
  reread_until: number | null
  written_at: Time | null
}

export interface PostgresLogTable {
  only_row: Generated<boolean>
  identity: Generated<string>
}

export interface LogLeaseTable {
  topic: string
  partition: number
  worker_id: string | null
  since: TimeWithDefault
  applied_through: Time | null
}

export interface OffsetGapTable {
  topic: string
  partition: number
  expected: number
  available: number
  seen_at: TimeWithDefault
  skipped_at: Time | null
}

export interface LogChunkTable {
  topic: string
  partition: number
  base_offset: number
  record_count: number
  appended_at: TimeWithDefault
  appended_on: Generated<string>
  body: Buffer
}

export interface SeriesTable {
  series_id: GeneratedAlways<number>
  tenant_id: number
  metric: string
  created_at: TimeWithDefault
}

export interface Rollup15mTable {
  tenant_id: number
  series_id: number
  bucket: Time
  count: number
  value_count: number
  sum: number
  min: number | null
  max: number | null
  late_count: number
  revised_at: Time | null
}

export interface OutcomeMinuteTable {
  tenant_id: number
  minute: Time
  stored: Generated<number>
  duplicate: Generated<number>
  conflicting: Generated<number>
  dead: Generated<number>
}

/** Written by former versions only. */
export interface OutcomeTotalTable {
  /** 0: dead letters of no tenant that are no longer kept. */
  tenant_id: number
  stored: Generated<number>
  duplicate: Generated<number>
  dead: Generated<number>
  conflicting: Generated<number>
}

export interface OutcomeTotalByPartitionTable {
  /** -1: dead letters of no tenant that are no longer kept. */
  partition: number
  stored: Generated<number>
  duplicate: Generated<number>
  conflicting: Generated<number>
  dead: Generated<number>
}

export interface WatermarkTable {
  tenant_id: number
  partition: number
  highest_at: Time
  moved_xid: string | null
  published_highest_at: Time | null
}

export interface FinalityTable {
  topic: string
  pending_xid: string | null
  pending_snapshot: string | null
  pending_applied_through: Time | null
  published_snapshot: Generated<string>
  published_applied_through: Time | null
}

export interface WorkerHeartbeatTable {
  worker_id: string
  started_at: TimeWithDefault
  beat_at: TimeWithDefault
  backend_pid: number | null
  backend_start: Time | null
  batches: Generated<number>
  batch_ms: Generated<number>
}

export interface RestGroupTable {
  group_id: string
  touched_at: TimeWithDefault
}

export interface RestInstanceTable {
  group_id: string
  instance_id: string
  topics: string[]
  expires_at: Time
}

export interface RestPositionTable {
  group_id: string
  topic: string
  partition: number
  committed_offset: number | null
  handed_offset: number | null
  instance_id: string | null
  commits_at: Time | null
}

export interface MigrationTable {
  number: number
  name: string
  sha256: string
  applied_at: TimeWithDefault
}
