import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Database } from '../../core/db/database.ts'
import type { Expected, Range } from './tally.ts'
import type { LoadTenant } from './tenants.ts'

/** The numbers of one tenant as the system has them. */
export interface Numbers {
  stored: number
  duplicates: number
  dead: number
}

export interface TenantResult {
  tenant: string
  expected: Expected
  /** Rows of events and of dead letters, and the counted duplicates. */
  rows: Numbers
  /** Sum of the 15-minute buckets. */
  rolledUp: number
  /** undefined where core cannot be reached. */
  graphql: Numbers | undefined
}

export interface OracleOptions {
  db: Database
  /** Without it GraphQL is not queried. */
  graphqlUrl: string | undefined
  tenants: readonly LoadTenant[]
  expected: readonly Expected[]
  /** When the load began, in milliseconds since the epoch. */
  sinceMs: number
  /** Without progress for so long, the pipeline counts as stopped. */
  idleMsMax: number
}

const POLL_MS = 250
/** Events that may have been accepted have arrived when the outcomes have not changed for so long. */
const QUIET_MS = 3_000
/** A result may be some seconds old where results are cached. */
const GRAPHQL_MS_MAX = 20_000
const REQUEST_MS_MAX = 15_000
const HOUR_MS = 3_600_000

/** Waits until the worker has the outcome of every event, and compares. @returns one sentence for each wrong number */
export async function checkNumbers(
  options: OracleOptions,
): Promise<{ tenants: TenantResult[]; faults: string[] }> {
  const { db, graphqlUrl, expected, tenants, idleMsMax } = options
  const faults: string[] = []
  if (!(await waitUntilWritten(options)))
    faults.push(
      `the worker has not written everything, and made no progress for ${idleMsMax / 1000} s`,
    )
  const results: TenantResult[] = []
  for (const [t, tenant] of tenants.entries()) {
    const wanted = expected[t] as Expected
    const { rolledUp, ...rows } = await countRows(db, tenant.tenant, options.sinceMs)
    const graphql = graphqlUrl
      ? await queryUntilEqual(graphqlUrl, tenant.readKey, options.sinceMs, rows)
      : undefined
    const compare = (source: string, numbers: Numbers) => {
      for (const key of ['stored', 'duplicates', 'dead'] as const)
        if (!isWithin(numbers[key], wanted[key]))
          faults.push(
            `${tenant.tenant}, ${source}: ${numbers[key]} ${NAMES[key]} instead of ${describe(wanted[key])}`,
          )
    }
    compare('Postgres', rows)
    if (graphql) compare('GraphQL', graphql)
    if (rolledUp !== rows.stored)
      faults.push(`${tenant.tenant}: ${rolledUp} events in rollups, but ${rows.stored} stored`)
    results.push({ tenant: tenant.tenant, expected: wanted, rows, rolledUp, graphql })
  }
  return { tenants: results, faults }
}

const NAMES = { stored: 'stored', duplicates: 'duplicates', dead: 'dead letters' }

function isWithin(value: number, { min, max }: Range): boolean {
  return value >= min && value <= max
}

function describe({ min, max }: Range): string {
  return min === max ? String(min) : `${min} to ${max}`
}

/** @returns false when it does not happen */
async function waitUntilWritten({
  db,
  tenants,
  expected,
  idleMsMax,
}: OracleOptions): Promise<boolean> {
  const total = (end: 'min' | 'max') =>
    expected.reduce(
      (sum, each) => sum + each.stored[end] + each.duplicates[end] + each.dead[end],
      0,
    )
  const [min, max] = [total('min'), total('max')]
  const slugs = tenants.map(({ tenant }) => tenant)
  let most = -1
  let changedAt = Date.now()
  for (;;) {
    const written = await countOutcomes(db, slugs)
    if (written !== most) {
      most = written
      changedAt = Date.now()
    }
    const idleMs = Date.now() - changedAt
    if (written >= max || (written >= min && idleMs > QUIET_MS)) return true
    if (idleMs > idleMsMax) return false
    await sleep(POLL_MS)
  }
}

/** Written in the same transaction as the rows, and cheap to read. */
async function countOutcomes(db: Database, slugs: readonly string[]): Promise<number> {
  const { rows } = await sql<{ written: number }>`
    SELECT coalesce(sum(stored + duplicate + conflicting + dead), 0)::float8 AS written
      FROM outcome_minute WHERE tenant_id IN (SELECT tenant_id FROM tenant WHERE slug = ANY (${slugs}))
    `.execute(db)
  return rows[0]?.written ?? 0
}

async function countRows(
  db: Database,
  slug: string,
  sinceMs: number,
): Promise<Numbers & { rolledUp: number }> {
  // received_at is the edge's time, and its clock may differ from this machine's.
  const from = new Date(sinceMs - HOUR_MS).toISOString()
  const { rows } = await sql<Numbers & { rolledUp: number }>`
    WITH t AS (SELECT tenant_id FROM tenant WHERE slug = ${slug})
    SELECT (SELECT count(*)::float8 FROM event
             WHERE tenant_id = (SELECT tenant_id FROM t)
               AND received_on >= (${from}::timestamptz)::date AND received_at >= ${from}) AS stored,
           (SELECT coalesce(sum(duplicate + conflicting), 0)::float8 FROM outcome_minute
             WHERE tenant_id = (SELECT tenant_id FROM t)) AS duplicates,
           (SELECT count(*)::float8 FROM dead_letter
             WHERE tenant_id = (SELECT tenant_id FROM t)) AS dead,
           (SELECT coalesce(sum(count), 0)::float8 FROM rollup_15m
             WHERE tenant_id = (SELECT tenant_id FROM t)) AS "rolledUp"`.execute(db)
  return rows[0] as Numbers & { rolledUp: number }
}

/** What GraphQL reports, once it equals the rows or has had the time to. */
async function queryUntilEqual(
  url: string,
  key: string,
  sinceMs: number,
  rows: Numbers,
): Promise<Numbers> {
  const deadline = Date.now() + GRAPHQL_MS_MAX
  for (;;) {
    const numbers = await queryTotals(url, key, sinceMs)
    const isEqual = (['stored', 'duplicates', 'dead'] as const).every(
      (each) => numbers[each] === rows[each],
    )
    if (isEqual || Date.now() > deadline) return numbers
    await sleep(1_000)
  }
}

interface TotalsBody {
  data?: {
    totals: { count: number; duplicates: number; conflicting: number; deadLetters: number }
  }
  errors?: { message: string }[]
}

/** @throws when core does not respond, or with an error */
async function queryTotals(url: string, key: string, sinceMs: number): Promise<Numbers> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({
      query: `query ($from: DateTime!, $to: DateTime!) {
        totals(startTime: $from, endTime: $to) { count duplicates conflicting deadLetters }
      }`,
      variables: {
        from: new Date(sinceMs - HOUR_MS).toISOString(),
        to: new Date(Date.now() + HOUR_MS).toISOString(),
      },
    }),
    signal: AbortSignal.timeout(REQUEST_MS_MAX),
  })
  const { data, errors } = (await response.json()) as TotalsBody
  if (!data) throw new Error(`${url}: ${errors?.[0]?.message ?? `status ${response.status}`}`)
  const { count, duplicates, conflicting, deadLetters } = data.totals
  return { stored: count, duplicates: duplicates + conflicting, dead: deadLetters }
}
