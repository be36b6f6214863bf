import type { Time, TimeWithDefault } from './column-types.ts'

/** The tables of the audit log. */
export interface AuditTables {
  audit_log: AuditLogTable
  audit_head: AuditHeadTable
  audit_delivery: AuditDeliveryTable
}

export interface AuditLogTable {
  /** 0: the system as a whole. */
  tenant_id: number
  sequence: number
  at: Time
  actor_kind: 'person' | 'key' | 'operator' | 'cli' | 'system'
  actor: string
  actor_name: string | null
  action: string
  object: string
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
  address: string | null
  request_id: string | null
  previous_hash: Buffer
  hash: Buffer
}

export interface AuditHeadTable {
  tenant_id: number
  sequence: number
  hash: Buffer
}

export interface AuditDeliveryTable {
  tenant_id: number
  sequence: number
  delivered_at: TimeWithDefault
}
