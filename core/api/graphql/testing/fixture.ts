import { randomUUID } from 'node:crypto'
import { createTestDatabase, type TestDatabase } from '../../../../tests/lib/database.ts'
import { changedBuckets } from '../../../db/changed-buckets.ts'
import { storedNotifications } from '../../../db/channels.ts'
import { createDatabase, type Database } from '../../../db/database.ts'
import { eventUuid } from '../../../db/event-uuid.ts'
import { notifyAtCommit } from '../../../db/notifier.ts'
import { createPartitions, MONTHS } from '../../../db/partitions.ts'
import { createKey } from '../../../identity/api-keys.ts'
import { mintLoginLink, redeemLoginLink } from '../../../identity/login-links.ts'
import { findOrCreatePerson } from '../../../identity/people/people.ts'
import type { Role } from '../../../identity/roles.ts'
import { beginSession } from '../../../identity/sessions.ts'
import { createTenant } from '../../../identity/tenants.ts'
import type { Log } from '../../../log/log.ts'
import { createPostgresLog } from '../../../log/postgres/postgres-log.ts'
import { UNLIMITED } from '../../../metrics/change-limit.ts'
import { type Enrichment, encodeEnrichment } from '../../../metrics/enrichment.ts'
import { createLiveHub, type LiveHub } from '../../live/hub.ts'
import type { ResultCache } from '../../result-cache/result-cache.ts'
import { createGraphQL, type GraphQLServer } from '../server.ts'

export interface FixtureEvent {
  id?: string
  name?: string
  /** RFC 3339 */
  occurredAt?: string
  receivedAt?: string
  actor?: string | null
  session?: string | null
  source?: string | null
  value?: number | null
  properties?: Record<string, unknown>
  late?: boolean
  trust?: 'public'
  enrichment?: Enrichment
}

export interface QueryResponse {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a response has the shape of its query
  data: any
  errors?: { message: string; extensions: Record<string, unknown> }[]
  extensions?: Record<string, unknown>
}

export interface SignedIn {
  personId: number
  headers: { cookie: string }
}

/** Postgres with what a worker would have written, and GraphQL in front of it. */
export interface QueryFixture {
  database: TestDatabase
  db: Database
  log: Log
  live: LiveHub
  graphql: GraphQLServer
  /** Headers of a key with the scope read. */
  keyOf(tenant: string): Promise<Record<string, string>>
  /** Headers of a browser that signed in by a link. */
  session(): Promise<Record<string, string>>
  /** Somebody new with these roles, who has just signed in. */
  person(roles: Readonly<Record<string, Role>>, name?: string): Promise<SignedIn>
  execute(
    query: string,
    headers?: Record<string, string>,
    variables?: object,
  ): Promise<QueryResponse>
  /** Stores events with rollups, outcomes and watermark as the worker does, and notifies. */
  store(tenant: string, events: readonly FixtureEvent[]): Promise<void>
  close(): Promise<void>
}

/**
 * @param createCache default: no result cache
 * @param recheckMs of live subscriptions; default: that of core
 * @param edgeUrl where events are sent; default: that of `onboarding`
 */
export async function createQueryFixture(
  tenants = ['default', 'other'],
  createCache?: (deps: { db: Database; databaseUrl: string }) => ResultCache,
  recheckMs?: number,
  edgeUrl?: () => string | undefined,
): Promise<QueryFixture> {
  const database = await createTestDatabase()
  const db = createDatabase(database.url)
  // As in core: queries run with fewer rights.
  const queries = createDatabase(database.url, { role: 'sluice_read' })
  const log = await createPostgresLog({ url: database.url })
  const logger = { warn() {}, error() {} }
  const live = createLiveHub({
    ...{ db: queries, databaseUrl: database.url, log, logger },
    ...(recheckMs !== undefined && { recheckMs }),
  })
  const onboarding = () => ({ edgeUrl: 'http://edge', tenant: 'default', writeKey: 'a-write-key' })
  const resultCache = createCache?.({ db, databaseUrl: database.url })
  const graphql = createGraphQL({
    db: queries,
    identityDb: db,
    metricChanges: UNLIMITED,
    live,
    log,
    logger,
    onboarding,
    ...(edgeUrl && { edgeUrl }),
    resultCache: resultCache,
  })
  for (const tenant of tenants) await createTenant(db, { tenant })
  // As if a worker had read all that the log will ever hold.
  await database.pool.query(
    "UPDATE log_lease SET applied_through = 'infinity'; UPDATE finality SET published_applied_through = 'infinity'",
  )

  return {
    database,
    db,
    log,
    live,
    graphql,
    async keyOf(tenant) {
      const { key } = await createKey(db, { tenant, name: 'test', scopes: ['read'] })
      return { authorization: `Bearer ${key}` }
    },
    async session() {
      const token = await redeemLoginLink(db, await mintLoginLink(db))
      return { cookie: `sluice_session=${token}` }
    },
    async person(roles, name = 'Somebody') {
      const { personId } = await findOrCreatePerson(db, {
        issuer: 'https://provider.example',
        subject: randomUUID(),
        email: `${randomUUID().slice(0, 8)}@example.com`,
        name,
      })
      for (const [tenant, role] of Object.entries(roles))
        await database.pool.query(
          'INSERT INTO membership (tenant_id, person_id, role) SELECT tenant_id, $2, $3 FROM tenant WHERE slug = $1',
          [tenant, personId, role],
        )
      const token = await beginSession(db, { personId, method: 'oidc' })
      return { personId, headers: { cookie: `sluice_session=${token}` } }
    },
    async execute(query, headers = {}, variables = {}) {
      const response = await graphql.fetch(
        new Request('http://localhost/graphql', {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ query, variables }),
        }),
      )
      const body = (await response.json()) as Omit<QueryResponse, 'status' | 'headers'>
      return { ...body, status: response.status, headers: response.headers }
    },
    store: (tenant, events) => store(database, tenant, events),
    async close() {
      await live.close()
      await log.close()
      await db.destroy()
      await database.drop()
    },
  }
}

let offset = 0

async function store(database: TestDatabase, tenant: string, events: readonly FixtureEvent[]) {
  const now = new Date().toISOString()
  const rows = events.map((event) => {
    const receivedAt = event.receivedAt ?? now
    const id = event.id ?? randomUUID()
    return {
      event_id: eventUuid(id, event.trust),
      client_event_id: eventUuid(id, event.trust) === id ? null : id,
      trust_class: event.trust ?? null,
      received_at: receivedAt,
      occurred_at: event.occurredAt ?? receivedAt,
      name: event.name ?? 'page_view',
      actor: event.actor ?? null,
      session: event.session ?? null,
      source: event.source ?? null,
      value: event.value ?? null,
      properties: event.properties ?? {},
      late: event.late ?? false,
      log_offset: offset++,
      enrichment: encodeEnrichment(event.enrichment),
    }
  })
  const { pool } = database
  for (const day of new Set(
    rows.map((row) => new Date(row.received_at).toISOString().slice(0, 10)),
  ))
    await pool.query(
      `CREATE TABLE IF NOT EXISTS event_${day.replaceAll('-', '')} PARTITION OF event
         FOR VALUES FROM ('${day}') TO ('${day}'::date + 1)`,
    )
  await createPartitions({ pool, table: 'rollup_15m', unit: MONTHS }).ensure(
    rows.map((row) => MONTHS.numberOf(Date.parse(row.occurred_at))),
  )
  const json = JSON.stringify(rows)
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query(
      `INSERT INTO series (tenant_id, metric)
       SELECT DISTINCT t.tenant_id, e.name FROM json_to_recordset($1::json) AS e (name text), tenant t WHERE t.slug = $2
       ON CONFLICT DO NOTHING`,
      [json, tenant],
    )
    const { rows: found } = await client.query(
      `WITH e AS (
         SELECT t.tenant_id, e.* FROM tenant t, json_to_recordset($1::json) AS e
           (event_id uuid, client_event_id text, received_at timestamptz, occurred_at timestamptz, name text, actor text,
            session text, source text, value float8, properties jsonb, late boolean, log_offset bigint, trust_class text, enrichment text) WHERE t.slug = $2
       ), stored AS (
         INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, client_event_id, actor,
                            session, source, value, properties, log_partition, log_offset, trust_class, enrichment, arrival)
         SELECT tenant_id, event_id, (received_at AT TIME ZONE 'UTC')::date, received_at, occurred_at, name,
                client_event_id, actor, session, source, value, properties, 0, log_offset, trust_class, enrichment, CASE WHEN late THEN 'l' END FROM e
       ), rolled AS (
         INSERT INTO rollup_15m AS r
         SELECT e.tenant_id, s.series_id, date_bin('15 minutes', occurred_at, 'epoch'), count(*), count(value),
                coalesce(sum(value), 0), min(value), max(value), count(*) FILTER (WHERE late), NULL
           FROM e JOIN series s ON s.tenant_id = e.tenant_id AND s.metric = e.name GROUP BY 1, 2, 3
         ON CONFLICT (tenant_id, series_id, bucket) DO UPDATE SET
           count = r.count + EXCLUDED.count, value_count = r.value_count + EXCLUDED.value_count, sum = r.sum + EXCLUDED.sum,
           min = least(r.min, EXCLUDED.min), max = greatest(r.max, EXCLUDED.max), late_count = r.late_count + EXCLUDED.late_count
       ), counted AS (
         INSERT INTO outcome_minute AS o (tenant_id, minute, stored)
         SELECT tenant_id, date_trunc('minute', received_at), count(*) FROM e GROUP BY 1, 2
         ON CONFLICT (tenant_id, minute) DO UPDATE SET stored = o.stored + EXCLUDED.stored
       ), marked AS (
         INSERT INTO watermark AS w SELECT tenant_id, 0, max(least(occurred_at, received_at)) FROM e GROUP BY 1
         ON CONFLICT (tenant_id, partition) DO UPDATE SET highest_at = greatest(w.highest_at, EXCLUDED.highest_at)
       )
       SELECT DISTINCT tenant_id FROM e`,
      [json, tenant],
    )
    const tenantId = found[0]?.tenant_id
    const changed = changedBuckets(
      rows.flatMap(({ occurred_at, received_at }) =>
        [occurred_at, received_at].map((time) => ({ tenantId, ms: Date.parse(time) })),
      ),
    )
    await notifyAtCommit((sql, values) => client.query(sql, values), storedNotifications(changed))
    await client.query('COMMIT')
  } finally {
    client.release()
  }
}
