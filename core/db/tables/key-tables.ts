import type { Generated } from 'kysely'
import type { Scope } from '../../../contract/api-key.ts'
import type { Time, TimeWithDefault } from './column-types.ts'

/** The tables of API keys. */
export interface KeyTables {
  api_key: ApiKeyTable
  deleted_api_key: DeletedApiKeyTable
  key_use_hour: KeyUseHourTable
  key_sender_hour: KeySenderHourTable
}

export interface ApiKeyTable {
  key_id: Generated<string>
  tenant_id: number
  name: string
  display_prefix: string
  key_sha256: Buffer
  scopes: Scope[]
  origins: Generated<string[]>
  events_per_minute: number | null
  may_import_history: Generated<boolean>
  expires_at: Time | null
  revoked_at: Time | null
  last_used_at: Time | null
  replaced_by: string | null
  created_at: TimeWithDefault
  changed_xid: string | null
  version: Generated<number>
  allowed_events: string[] | null
  allowed_properties: string[] | null
}

export interface DeletedApiKeyTable {
  key_sha256: Buffer
  deleted_xid: Generated<string>
  deleted_at: TimeWithDefault
}

export interface KeyUseHourTable {
  key_id: string
  hour: Time
  events: number
}

export interface KeySenderHourTable {
  tenant_id: number
  key_id: string
  hour: Time
  client: string
  origin: string
  events: number
  last_at: Time
}
