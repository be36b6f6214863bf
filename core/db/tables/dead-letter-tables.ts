import type { Generated, GeneratedAlways } from 'kysely'
import type { Time, TimeWithDefault } from './column-types.ts'

/** The tables of dead letters, as those of schema.ts. */
export interface DeadLetterTables {
  dead_letter: DeadLetterTable
  dead_letter_group: DeadLetterGroupTable
  dead_letter_hour: DeadLetterHourTable
  dead_letter_reason: DeadLetterReasonTable
  dead_letter_job: DeadLetterJobTable
}

export interface DeadLetterTable {
  dead_letter_id: GeneratedAlways<number>
  tenant_id: number | null
  reason: string
  detail: string
  fingerprint: string
  original: Buffer
  topic: string
  partition: number
  log_offset: number
  request_id: string | null
  route: string | null
  client: string | null
  received_at: Time
  dead_at: TimeWithDefault
  forwarded_at: Time | null
  state: Generated<'open' | 'replayed' | 'discarded'>
  stamp: string | null
  pointer: string | null
  key_id: string | null
  event_name: string | null
  event_id: string | null
}

export interface DeadLetterGroupTable {
  tenant_id: number
  fingerprint: string
  reason: string
  pointer: string | null
  key_id: string | null
  client: string | null
  detail: string
  open: number
  replayed: number
  discarded: number
  first_at: Time
  last_at: Time
  state: Generated<'open' | 'resolved'>
  reopened_at: Time | null
  version: Generated<number>
}

export interface DeadLetterHourTable {
  tenant_id: number
  fingerprint: string
  hour: Time
  count: number
}

export interface DeadLetterReasonTable {
  reason: string
  partition: number
  count: number
}

export interface DeadLetterJobTable {
  job_id: GeneratedAlways<number>
  tenant_id: number
  state: Generated<'queued' | 'running' | 'done' | 'cancelled' | 'stopped'>
  filter: Record<string, unknown>
  patch: string | null
  patch_hash: string | null
  author: Record<string, unknown>
  created_at: TimeWithDefault
  started_at: Time | null
  stepped_at: Time | null
  finished_at: Time | null
  last_id: number
  cursor_at: TimeWithDefault
  cursor_id: Generated<number>
  total: number
  processed: Generated<number>
  stored: Generated<number>
  duplicates: Generated<number>
  conflicting: Generated<number>
  dead: Generated<number>
  refused: Generated<number>
  reasons: Generated<Record<string, unknown>>
  examples: Generated<Record<string, unknown>[]>
  error: string | null
}
