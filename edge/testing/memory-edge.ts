import type { KeyRecord } from '../../contract/api-key.ts'
import { createAdmission } from '../admission/admission.ts'
import { createMemoryIdempotency } from '../admission/memory-idempotency.ts'
import { createEdge, type EdgeDeps } from '../app.ts'

export const KEY = 'slc_sec_0000000000000000000000000000004K8ygg'

export const RECORD: KeyRecord = {
  key_id: 'k1',
  tenant: 'acme',
  kind: 'sec',
  scopes: ['ingest'],
  origins: [],
  key_events_per_minute: 1_000,
  tenant_events_per_minute: 1_000,
  may_import_history: true,
  event_age_max_s: 3_600,
  expires_at: null,
  revoked_at: null,
}

/** An edge in the test's own process that knows KEY alone, without rate limits, and whose log accepts everything. */
export function createMemoryEdge(changed: Partial<EdgeDeps> = {}) {
  return createEdge({
    findKey: async (key) => (key === KEY ? RECORD : undefined),
    admission: createAdmission(undefined, createMemoryIdempotency()),
    publish: async (records) =>
      records.map(({ topic }, offset) => ({ topic, partition: 0, offset, timestamp: 0 })),
    edgeNameOf: () => 'here',
    addressOf: () => undefined,
    now: () => 1_000_000,
    report: () => {},
    ...changed,
  })
}
