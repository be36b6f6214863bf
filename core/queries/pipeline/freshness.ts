import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'

/** Where an event may stop on its way. */
export const PIPELINE_COMPONENTS = [
  'edge',
  'gateway',
  'log',
  'worker',
  'postgres',
  'redis',
] as const
export type PipelineComponent = (typeof PIPELINE_COMPONENTS)[number]

/** How long events take until they can be queried, as canaries measure it (core/proof/canaries). */
export interface Freshness {
  /** STALE: the last canary is older than it should be; OFF: none are sent. */
  state: 'OK' | 'FAILING' | 'STALE' | 'OFF'
  /** Two canaries in a row stopped there; of several, the first on their way. */
  failingComponent: PipelineComponent | null
  hour: FreshnessWindow
  day: FreshnessWindow
  objective: FreshnessObjective | null
  /** Seconds since a canary was sent; null: never. */
  sentSecondsAgo: number | null
  edges: EdgeFreshness[]
}

/** Seconds from sending to being visible to a query; null where no canary became visible. */
export interface FreshnessWindow {
  canaries: number
  p50: number | null
  p95: number | null
  p99: number | null
}

/** Over 30 days, or as long as canaries were sent. */
export interface FreshnessObjective {
  targetSeconds: number
  percent: number
  canaries: number
  /** Visible within the target. */
  inTime: number
  /** 1: all of it; 0 and below: spent. Null without a canary. */
  errorBudgetLeft: number | null
}

export interface EdgeFreshness {
  /** URL; empty: canaries are appended to the log. */
  edge: string
  failingComponent: PipelineComponent | null
}

/** A canary is known to have failed within this time of being sent. */
const DECIDED_S = 30

/** All tenants share the pipeline, so it takes no viewer. */
export async function readFreshness(db: Database): Promise<Freshness> {
  const [now, windows] = await Promise.all([readNow(db), readWindows(db)])
  const { sender, ...state } = now
  return {
    ...state,
    ...windows,
    objective: sender ? toObjective(sender, await countInTime(db, sender.target)) : null,
    sentSecondsAgo: sender?.age ?? null,
  }
}

/** As `readFreshness` has it, for less. */
export async function readFailingComponent(
  db: Database,
): Promise<Pick<Freshness, 'state' | 'failingComponent'>> {
  const { state, failingComponent } = await readNow(db)
  return { state, failingComponent }
}

interface Now extends Pick<Freshness, 'state' | 'failingComponent' | 'edges'> {
  sender: Sender | undefined
}

async function readNow(db: Database): Promise<Now> {
  const sender = await readSender(db)
  if (!sender) return { sender, state: 'OFF', failingComponent: null, edges: [] }
  if (sender.age > sender.interval + DECIDED_S)
    return { sender, state: 'STALE', failingComponent: null, edges: [] }
  const edges = await readEdges(db)
  const failingComponent =
    PIPELINE_COMPONENTS.find((each) => edges.some((edge) => edge.failingComponent === each)) ?? null
  return { sender, state: failingComponent ? 'FAILING' : 'OK', failingComponent, edges }
}

interface Sender {
  age: number
  interval: number
  target: number
  objective: number
}

async function readSender(db: Database): Promise<Sender | undefined> {
  const { rows } = await sql<Sender>`
    SELECT extract(epoch FROM clock_timestamp() - sent_at)::float8 AS age, interval_s AS interval,
           target_s AS target, objective FROM canary_sender`.execute(db)
  return rows[0]
}

const QUANTILES = sql.raw('ARRAY[0.5, 0.95, 0.99]::float8[]')

async function readWindows(db: Database): Promise<Record<'hour' | 'day', FreshnessWindow>> {
  const { rows } = await sql<{
    hour: number[] | null
    day: number[] | null
    in_hour: number
    in_day: number
  }>`
    SELECT percentile_disc(${QUANTILES}) WITHIN GROUP (ORDER BY s) FILTER (WHERE newest) AS hour,
           percentile_disc(${QUANTILES}) WITHIN GROUP (ORDER BY s) AS day,
           (count(*) FILTER (WHERE newest))::float8 AS in_hour, count(*)::float8 AS in_day
      FROM (SELECT extract(epoch FROM visible_at - sent_at)::float8 AS s, sent_at > now() - interval '1 hour' AS newest
              FROM canary WHERE sent_at > now() - interval '1 day' AND ${IS_DECIDED}) c`.execute(db)
  const toWindow = (canaries = 0, values: number[] | null = null): FreshnessWindow => ({
    canaries,
    p50: values?.[0] ?? null,
    p95: values?.[1] ?? null,
    p99: values?.[2] ?? null,
  })
  const [row] = rows
  return { hour: toWindow(row?.in_hour, row?.hour), day: toWindow(row?.in_day, row?.day) }
}

const IS_DECIDED = sql<boolean>`(visible_at IS NOT NULL OR failing IS NOT NULL)`

/** Of each edge that canaries are sent to: the component at which both of the last two stopped. */
async function readEdges(db: Database): Promise<EdgeFreshness[]> {
  const { rows } = await sql<EdgeFreshness>`
    SELECT e.edge, CASE WHEN count(l.failing) = 2 THEN (array_agg(l.failing ORDER BY l.sent_at DESC))[1] END AS "failingComponent"
      FROM canary_sender s CROSS JOIN LATERAL unnest(s.edges) WITH ORDINALITY e (edge, i)
      LEFT JOIN LATERAL (
        SELECT failing, sent_at FROM canary c WHERE c.edge = e.edge AND ${IS_DECIDED} AND c.sent_at > now() - interval '1 day'
         ORDER BY sent_at DESC LIMIT 2) l ON true
     GROUP BY e.edge, e.i ORDER BY e.i`.execute(db)
  return rows
}

async function countInTime(
  db: Database,
  target: number,
): Promise<{ canaries: number; inTime: number }> {
  const { rows } = await sql<{ canaries: number; inTime: number }>`
    SELECT count(*)::float8 AS canaries,
           (count(*) FILTER (WHERE visible_at <= sent_at + make_interval(secs => ${target})))::float8 AS "inTime"
      FROM canary WHERE sent_at > now() - interval '30 days' AND ${IS_DECIDED}`.execute(db)
  return rows[0] ?? { canaries: 0, inTime: 0 }
}

function toObjective(
  { target, objective }: Sender,
  { canaries, inTime }: { canaries: number; inTime: number },
): FreshnessObjective {
  const allowed = canaries * (1 - objective / 100)
  return {
    targetSeconds: target,
    percent: objective,
    canaries,
    inTime,
    errorBudgetLeft: canaries === 0 ? null : 1 - (canaries - inTime) / allowed,
  }
}
