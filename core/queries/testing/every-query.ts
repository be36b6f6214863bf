import { randomUUID } from 'node:crypto'
import { uuidV7 } from '../../../contract/event/uuid.ts'
import type { Database } from '../../db/database.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { funnel } from '../behaviour/funnel.ts'
import { retention } from '../behaviour/retention.ts'
import { explainChange } from '../changes/explain-change.ts'
import { countEvents } from '../count-events.ts'
import {
  type DeadLettersArgs,
  deadLetterById,
  deadLettersPage,
  findDeadLetter,
  listDeadLetters,
} from '../dead-letters/dead-letters.ts'
import { deadLetterGroups } from '../dead-letters/groups.ts'
import { deadLetterJobs } from '../dead-letters/jobs.ts'
import { eventById } from '../event-by-id.ts'
import { eventsByArrival } from '../events-by-arrival.ts'
import { type EventsArgs, eventsPage } from '../events-page.ts'
import { contributions } from '../explore/contributions.ts'
import { eventNames } from '../explore/event-names.ts'
import { eventProperties } from '../explore/event-properties.ts'
import { topValues } from '../explore/top-values.ts'
import { apiKeyUse } from '../identity/api-key-use.ts'
import { apiKeys } from '../identity/api-keys.ts'
import { auditHead, auditLogPage } from '../identity/audit-log.ts'
import { metricDefinitions } from '../metric-definitions.ts'
import { compareMetrics } from '../metrics/compare-metrics.ts'
import { eventsOverTime } from '../metrics/events-over-time.ts'
import { metricRatio } from '../metrics/metric-ratio.ts'
import type { MetricsInput } from '../metrics/metrics-args.ts'
import { type Arrival, newestArrivals } from '../newest-arrivals.ts'
import { oldestEventDay } from '../oldest-event-day.ts'
import { outcomeCount } from '../outcome-count.ts'
import { balance } from '../pipeline/balance.ts'
import { countDeadLettersToForward } from '../pipeline/forwarding-backlog.ts'
import { readFailingComponent, readFreshness } from '../pipeline/freshness.ts'
import { readLag } from '../pipeline/lag.ts'
import { countOffsetGaps } from '../pipeline/offset-gap-counts.ts'
import { readOldestSnapshotSeconds } from '../pipeline/oldest-snapshot.ts'
import { readOutcomeTotals } from '../pipeline/outcome-totals.ts'
import { readUnaccounted } from '../pipeline/unaccounted.ts'
import { readVerification } from '../pipeline/verification.ts'
import { readBatches } from '../pipeline/worker-batches.ts'
import { readHeartbeats } from '../pipeline/worker-heartbeats.ts'
import { rangeTotals } from '../range-totals.ts'
import { findRawSince, rawSince } from '../raw-since.ts'
import { receipt } from '../receipts/receipt.ts'
import { receipts } from '../receipts/receipts.ts'
import { recentBuckets } from '../recent-buckets.ts'
import { recentCounts } from '../recent-counts.ts'
import { eventSchema, eventSchemas } from '../schemas/event-schemas.ts'
import { schemaDrift } from '../schemas/schema-drift.ts'
import type { Range } from '../sql/buckets.ts'
import { tenantWatermarkMs } from '../tenant-watermark.ts'
import { uniqueActors } from '../unique-actors.ts'
import { visibleTenants } from '../visible-tenants.ts'
import { BUSY_TENANT, QUIET_TENANT } from './many-days.ts'

/** What the cases ask about, in a database of fillManyDays. */
export interface QueryContext {
  /** Of the whole database. */
  days: number
  busy: TenantViewer
  quiet: TenantViewer
  /** Where the busy tenant's first pages end. */
  eventCursor: string | null
  deadLetterCursor: string | null
  arrivals: readonly Arrival[]
  /** Ids of its oldest events, by their version. */
  v7: string
  v4: string
  deadLetter: string
}

/** One use of a query function. */
export interface QueryCase {
  /** Begins with the function's name. */
  title: string
  /** Of how many days it needs the events; whatever it reads of others is cost. */
  days: number
  /** Sums the counts of all days, so their rows are no cost. */
  sumsAllDays?: true
  run(db: Database, context: QueryContext): Promise<unknown>
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const SESSION = { kind: 'SESSION' } as const

export async function findContext(db: Database, days: number): Promise<QueryContext> {
  const busy = await tenantViewer(db, SESSION, BUSY_TENANT)
  const rows = await db
    .selectFrom('event')
    .select('event_id')
    .where('tenant_id', '=', busy.tenantId)
    .orderBy('received_at')
    .limit(20)
    .execute()
  const idOf = (version: string) =>
    rows.find(({ event_id }) => event_id[UUID_VERSION_AT] === version)?.event_id ?? ''
  const letters = (await deadLettersPage(db, busy, { first: 5 })).rows
  return {
    days,
    busy,
    quiet: await tenantViewer(db, SESSION, QUIET_TENANT),
    eventCursor: (await eventsPage(db, busy, { first: 20 })).pageInfo.endCursor,
    deadLetterCursor: letters.at(-1)?.cursor ?? null,
    arrivals: (await newestArrivals(db, busy)).rows,
    v7: idOf('7'),
    v4: idOf('4'),
    deadLetter: letters[0]?.node.id ?? '',
  }
}

const UUID_VERSION_AT = 14

/** The range that began so long ago. */
function since(ms: number, lengthMs = ms) {
  const start = Date.now() - ms
  return { start: new Date(start).toISOString(), end: new Date(start + lengthMs).toISOString() }
}

function overTime(
  title: string,
  days: number,
  args: (context: QueryContext) => Omit<MetricsInput, 'startTime' | 'endTime'> & { range: Range },
): QueryCase {
  return {
    title: `eventsOverTime: ${title}`,
    days,
    run(db, context) {
      const { range, ...rest } = args(context)
      const input = { ...rest, startTime: range.start, endTime: range.end }
      return eventsOverTime(db, context.busy, input)
    },
  }
}

function page(title: string, args: (context: QueryContext) => EventsArgs): QueryCase {
  return {
    title: `eventsPage: ${title}`,
    days: 1,
    run: (db, context) => eventsPage(db, context.busy, args(context)),
  }
}

function byId(title: string, id: (context: QueryContext) => string): QueryCase {
  return {
    title: `eventById: ${title}`,
    days: 1,
    run: (db, context) => eventById(db, context.busy, { id: id(context) }),
  }
}

function receiptOf(
  title: string,
  id: (context: QueryContext) => string,
  trustClass?: 'public',
): QueryCase {
  return {
    title: `receipt: ${title}`,
    days: 1,
    run: (db, context) => receipt(db, context.busy, { eventId: id(context), trustClass }),
  }
}

function deadLetters(title: string, args: (context: QueryContext) => DeadLettersArgs): QueryCase {
  return {
    title: `deadLettersPage: ${title}`,
    days: 1,
    run: (db, context) => deadLettersPage(db, context.busy, args(context)),
  }
}

/** An hour that began so long ago, as arguments. */
function hour(ms: number) {
  const { start, end } = since(ms, HOUR_MS)
  return { startTime: start, endTime: end }
}

const OF_PLAN = { filter: [{ dimension: 'plan', in: ['pro', null] }] }

function other(title: string, run: QueryCase['run'], days = 1): QueryCase {
  return { title, days, run }
}

/** Queries of the busy tenant's last hour. */
function ofHour<Input extends { startTime: string; endTime: string }>(
  title: string,
  query: (db: Database, viewer: TenantViewer, input: Input) => Promise<unknown>,
  input: Omit<Input, 'startTime' | 'endTime'>,
  ms = HOUR_MS,
): QueryCase {
  return {
    title: `${query.name}: ${title}`,
    days: 2,
    run(db, { busy }) {
      const { start, end } = since(ms)
      return query(db, busy, { ...input, startTime: start, endTime: end } as Input)
    },
  }
}

const CASES: readonly QueryCase[] = [
  overTime('a day of rollups', 2, () => ({ name: '*', range: since(DAY_MS), interval: 'HOUR' })),
  overTime('a day of rollups by name', 2, () => ({
    name: '*',
    range: since(DAY_MS),
    interval: 'HOUR',
    groupBy: ['name'],
  })),
  overTime('all days of rollups', 2, ({ days }) => ({
    name: '*',
    range: since(DAY_MS * days),
    interval: 'DAY',
  })),
  overTime('an hour of events by a property', 2, () => ({
    name: '*',
    range: since(HOUR_MS),
    groupBy: ['plan'],
  })),
  overTime('an hour by minutes', 2, () => ({
    name: '*',
    range: since(HOUR_MS),
    interval: 'MINUTE',
  })),
  overTime('unique actors of a name in an hour', 2, () => ({
    name: 'name_0',
    range: since(HOUR_MS),
    aggregate: 'UNIQUES',
  })),
  overTime('an hour long ago of events by a property', 2, ({ days }) => ({
    name: '*',
    range: since(DAY_MS * (days - 2), HOUR_MS),
    groupBy: ['plan'],
  })),
  other(
    'rangeTotals: a day',
    (db, { busy }) => rangeTotals(db, busy, { range: since(DAY_MS), namesMax: 10 }),
    3,
  ),
  other(
    'rangeTotals: all days',
    (db, { busy, days }) => rangeTotals(db, busy, { range: since(DAY_MS * days), namesMax: 10 }),
    3,
  ),
  other('eventNames: all', (db, { busy }) => eventNames(db, busy, { search: 'name' })),
  ofHour('of a day', eventNames, {}, DAY_MS),
  ofHour('an hour', eventProperties, { name: 'name_0' }),
  ofHour('names of a day', topValues, { name: '*', dimension: 'name' }, DAY_MS),
  ofHour('an hour by a property', topValues, { name: '*', dimension: 'plan', search: 'a' }),
  ofHour('an hour and the one before', compareMetrics, { name: '*', aggregate: 'UNIQUES' }),
  ofHour('an hour, since half a day', explainChange, {
    name: '*',
    fromAsOf: new Date(Date.now() - 12 * HOUR_MS).toISOString(),
  }),
  ofHour('an hour', metricRatio, {
    numerator: { name: 'name_0' },
    denominator: { name: '*', aggregate: 'UNIQUES' },
  }),
  ofHour('an hour by a property', contributions, { name: '*', dimension: 'plan' }),
  ofHour('an hour', funnel, {
    steps: [{ name: 'name_0' }, { name: '*' }],
    windowSeconds: 3_600,
  }),
  ofHour('a day', retention, { first: { name: 'name_0' } }, DAY_MS),
  page('first', () => ({})),
  page('next', ({ eventCursor }) => ({ after: eventCursor })),
  page('previous', ({ eventCursor }) => ({ before: eventCursor, last: 20 })),
  page('last', () => ({ last: 20 })),
  page('first of a name', () => ({ name: 'name_0' })),
  page('next of a name', ({ eventCursor }) => ({ name: 'name_0', after: eventCursor })),
  page('first of an unknown name', () => ({ name: 'unknown' })),
  page('of an hour long ago', ({ days }) => hour(DAY_MS * (days - 2))),
  page('of an hour by a property', () => ({
    ...hour(HOUR_MS),
    filter: [{ dimension: 'plan', in: ['pro'] }],
  })),
  page('of an unknown request', () => ({ ...hour(HOUR_MS), requestId: randomUUID() })),
  page('of an unknown Idempotency-Key', () => ({ idempotencyKey: 'unknown' })),
  page('of an unknown request on any day', () => ({ requestId: 'unknown' })),
  other(
    'countEvents: of an hour, by a property',
    (db, { busy }) => countEvents(db, busy, { ...hour(HOUR_MS), ...OF_PLAN }),
    2,
  ),
  other('eventsPage: first of a quiet tenant', (db, { quiet }) => eventsPage(db, quiet, {})),
  byId('a UUIDv7', ({ v7 }) => v7),
  byId('a UUIDv4', ({ v4 }) => v4),
  byId('a missing UUIDv7', () => uuidV7(Date.now())),
  byId('a missing UUIDv4', () => randomUUID()),
  byId('a missing id, not a UUID', () => 'order-1'),
  receiptOf('a UUIDv7', ({ v7 }) => v7),
  receiptOf('a UUIDv4', ({ v4 }) => v4),
  receiptOf('a missing UUIDv4', () => randomUUID()),
  receiptOf('a missing id of the other trust class', () => 'order-1', 'public'),
  other('receipts: of an unknown request', (db, { busy }) =>
    receipts(db, busy, { requestId: uuidV7(Date.now()) }),
  ),
  other('receipts: of an unknown Idempotency-Key', (db, { busy }) =>
    receipts(db, busy, { idempotencyKey: 'unknown' }),
  ),
  other('newestArrivals', (db, { busy }) => newestArrivals(db, busy)),
  other('newestArrivals: of a quiet tenant', (db, { quiet }) => newestArrivals(db, quiet)),
  other('eventsByArrival', (db, { busy, arrivals }) => eventsByArrival(db, busy, { arrivals })),
  deadLetters('first', () => ({})),
  deadLetters('next', ({ deadLetterCursor }) => ({ after: deadLetterCursor })),
  other('deadLetterGroups', (db, { busy }) => deadLetterGroups(db, busy, {})),
  other('deadLetterJobs', (db, { busy }) => deadLetterJobs(db, busy, {})),
  other('deadLetterById', (db, { busy, deadLetter }) =>
    deadLetterById(db, busy, { id: deadLetter }),
  ),
  deadLetters('first of a reason', () => ({ reason: 'EVENT_INVALID' })),
  other('listDeadLetters', (db) => listDeadLetters(db, { limit: 20 })),
  other('findDeadLetter', (db, { deadLetter }) => findDeadLetter(db, deadLetter)),
  other('visibleTenants: for the operator', (db) => visibleTenants(db, SESSION)),
  other('visibleTenants: for a key', (db, { busy }) =>
    visibleTenants(db, { kind: 'KEY', own: busy }),
  ),
  other(
    'recentBuckets: an hour',
    (db, { busy }) => recentBuckets(db, busy, { windowSeconds: 3_600, bucketSeconds: 10 }),
    2,
  ),
  other('recentCounts', (db, { busy }) => recentCounts(db, busy)),
  other('tenantWatermarkMs', (db, { busy }) => tenantWatermarkMs(db, busy)),
  other(
    'uniqueActors: a day',
    (db, { busy }) => uniqueActors(db, busy, { range: since(DAY_MS) }),
    2,
  ),
  other(
    'outcomeCount: a day',
    (db, { busy }) => outcomeCount(db, busy, { range: since(DAY_MS), outcome: 'dead' }),
    2,
  ),
  other('rawSince: a day', (db, { busy }) => rawSince(db, busy, { range: since(DAY_MS) }), 2),
  other(
    'rawSince: more than all days',
    (db, { busy, days }) => rawSince(db, busy, { range: since(DAY_MS * (days + 1)) }),
    2,
  ),
  other(
    'findRawSince: more than all days',
    (db, { busy, days }) => findRawSince(db, busy, { range: since(DAY_MS * (days + 1)) }),
    2,
  ),
  other('apiKeys', (db, { busy }) => apiKeys(db, busy, {})),
  other('apiKeyUse: of a key that is not there', (db, { busy, v4 }) =>
    apiKeyUse(db, busy, { keyId: v4 }).catch((error) => {
      if (error.code !== 'KEY_NOT_FOUND') throw error
    }),
  ),
  other('auditLogPage: of a tenant', (db, { busy }) => auditLogPage(db, busy, {})),
  other('auditLogPage: of the system', (db) => auditLogPage(db, 'system', { action: 'key.' })),
  other('auditHead', (db, { busy }) => auditHead(db, busy, {})),
  other('metricDefinitions: all', (db, { busy }) => metricDefinitions(db, busy, {})),
  other('eventSchemas', (db, { busy }) => eventSchemas(db, busy, {})),
  other('eventSchema', (db, { busy }) => eventSchema(db, busy, { name: 'name-0' })),
  other('schemaDrift', (db, { busy }) => schemaDrift(db, busy, {})),
  other('oldestEventDay', oldestEventDay),
  other('countDeadLettersToForward', countDeadLettersToForward),
  other('countOffsetGaps', countOffsetGaps),
  other('readOldestSnapshotSeconds', readOldestSnapshotSeconds),
  other('readOutcomeTotals', readOutcomeTotals),
  other('readUnaccounted', readUnaccounted),
  other('readVerification', readVerification),
  other(
    'balance: a day',
    (db, { busy }) => {
      const { start, end } = since(DAY_MS)
      return balance(db, busy, { startTime: start, endTime: end })
    },
    2,
  ),
  other('readBatches', readBatches),
  other('readFailingComponent', readFailingComponent),
  other('readFreshness', readFreshness),
  other('readHeartbeats', readHeartbeats),
  other('readLag', (db) => readLag(db, { offsets: async () => [], identity: async () => '' })),
]

const SUMS_ALL_DAYS = [
  'eventsOverTime: all days of rollups',
  'rangeTotals: all days',
  'eventsPage: of an unknown request on any day',
]

/** Every query function, with the arguments that decide what it costs. */
export const QUERY_CASES: readonly QueryCase[] = CASES.map((each) =>
  SUMS_ALL_DAYS.includes(each.title) ? { ...each, sumsAllDays: true } : each,
)
