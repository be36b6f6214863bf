import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { declareMetric, retireMetric } from '../../metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../metrics/metric-definition.ts'
import { adoptLog } from '../../worker/consume/adopt-log.ts'
import { skipMissingOffsets } from '../../worker/consume/skip-offsets.ts'
import { createKey, revokeKey } from '../api-keys.ts'
import { rotateKey } from '../rotate-key.ts'
import { setKey } from '../set-key.ts'
import { createTenant, setTenant } from '../tenants.ts'
import type { AuditActor } from './audit-log.ts'
import { verifyAudit } from './verify-audit.ts'

let database: TestDatabase
let db: Database
let keyId: string
const by: AuditActor = {
  ...{ kind: 'person', personId: 7, name: 'Ada' },
  ...{ address: '192.0.2.7', requestId: 'r-1' },
}
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
  await (await createPostgresLog({ url: database.url })).close()
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

const withLog = async (
  work: (log: Awaited<ReturnType<typeof createPostgresLog>>) => Promise<unknown>,
) => {
  const log = await createPostgresLog({ url: database.url })
  try {
    await work(log)
  } finally {
    await log.close()
  }
}

interface Change {
  title: string
  run: () => Promise<unknown>
  /** Actions with their objects, `before` and `after`; texts in `after` that differ each time are left out. */
  entries: [action: string, object: string, before: object | null, after: object | null][]
}

const KEY = () => `key ${keyId}`
const changes: Change[] = [
  {
    title: 'creating a tenant',
    run: () => createTenant(db, { tenant: 'shop' }, by),
    entries: [['tenant.created', 'tenant shop', null, { tenant: 'shop', eventsPerMinute: null }]],
  },
  {
    title: 'creating a tenant that exists',
    run: () => createTenant(db, { tenant: 'shop' }, by),
    entries: [],
  },
  {
    title: 'changing a tenant',
    run: () => setTenant(db, 'shop', { eventsPerMinute: 5, allowedLatenessS: 60 }, by),
    entries: [
      [
        'tenant.changed',
        'tenant shop',
        { eventsPerMinute: null },
        { eventsPerMinute: 5, allowedLatenessS: 60 },
      ],
    ],
  },
  {
    title: 'creating a key',
    run: async () => {
      keyId = (await createKey(db, { tenant: 'shop', name: 'k', scopes: ['ingest'] }, by)).keyId
    },
    entries: [['key.created', 'KEY', null, { name: 'k', scopes: ['ingest'] }]],
  },
  {
    title: 'changing a key',
    run: () => setKey(db, keyId, { name: 'renamed', mayImportHistory: false }, { by }),
    entries: [['key.changed', 'KEY', { name: 'k' }, { name: 'renamed' }]],
  },
  {
    title: 'a change of a key that fails',
    run: () => setKey(db, keyId, { name: '' }, { by }).catch(() => {}),
    entries: [],
  },
  {
    title: 'rotating a key',
    run: () => rotateKey(db, keyId, { until: new Date(Date.now() + 60_000) }, { by }),
    entries: [
      ['key.rotated', 'KEY', { replacedBy: null, expiresAt: null }, {}],
      ['key.created', 'key', null, { name: 'renamed' }],
    ],
  },
  {
    title: 'revoking a key',
    run: () => revokeKey(db, keyId, { by }),
    entries: [['key.revoked', 'KEY', { revokedAt: null }, {}]],
  },
  { title: 'revoking a key again', run: () => revokeKey(db, keyId, { by }), entries: [] },
  {
    title: 'declaring a metric',
    run: () =>
      declareMetric(db, 1, parseMetricDefinition({ name: 'sales', events: ['order'] }), by),
    entries: [['metric.declared', 'metric sales', null, { version: 1, events: ['order'] }]],
  },
  {
    title: 'declaring the same metric again',
    run: () =>
      declareMetric(db, 1, parseMetricDefinition({ name: 'sales', events: ['order'] }), by),
    entries: [],
  },
  {
    title: 'retiring a metric',
    run: () => retireMetric(db, 1, 'sales', by),
    entries: [['metric.retired', 'metric sales', { version: 1 }, null]],
  },
  {
    title: 'retiring a metric that is gone',
    run: () => retireMetric(db, 1, 'sales', by),
    entries: [],
  },
  {
    title: 'adopting a log',
    run: () => withLog((log) => adoptLog(db, log, 'end', by)),
    entries: [['offsets.adopted', 'log events.raw', null, { at: 'end' }]],
  },
  {
    title: 'skipping offsets',
    run: async () => {
      await database.pool.query(
        'UPDATE log_position SET next_offset = 7 WHERE topic = $1 AND partition = 2',
        [TOPICS.raw.name],
      )
      await withLog((log) =>
        skipMissingOffsets(db, log, [{ partition: 2, expected: 7, available: 0 }], by),
      )
    },
    entries: [['offsets.skipped', 'partition 2 of events.raw', { offset: 7 }, { offset: 0 }]],
  },
]

let seen = new Map<number, number>()
test.each(changes)(
  '$title leaves its entries, once, with who did it and from where',
  async ({ run, entries }) => {
    await run()
    const { rows } = await database.pool.query(
      'SELECT tenant_id, sequence::int, action, object, before, after, actor_kind, actor, actor_name, address, request_id FROM audit_log ORDER BY tenant_id, sequence',
    )
    const added = rows.filter(({ tenant_id, sequence }) => sequence > (seen.get(tenant_id) ?? 0))
    seen = new Map(rows.map(({ tenant_id, sequence }) => [tenant_id, sequence]))
    expect(added.map(({ action }) => action)).toEqual(entries.map(([action]) => action))
    for (const [i, [, object, before, after]] of entries.entries()) {
      expect(added[i]).toMatchObject({
        object: object === 'KEY' ? KEY() : expect.stringContaining(object),
        before: before === null ? null : expect.objectContaining(before),
        after: after === null ? null : expect.objectContaining(after),
        ...{ actor_kind: 'person', actor: '7', actor_name: 'Ada' },
        ...{ address: '192.0.2.7', request_id: 'r-1' },
      })
      expect(JSON.stringify(added[i])).not.toMatch(/sha256|slc_[a-z]{3}_\w{30}/)
    }
    for (const tenantId of [0, 1])
      expect(await verifyAudit(db, tenantId)).toMatchObject({ ok: true })
  },
)
