import { Hono } from 'hono'
import { sql } from 'kysely'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Database } from '../../db/database.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { Log } from '../../log/log.ts'
import { LIVE_LIMITS } from '../../queries/limits.ts'
import { type Freshness, readFailingComponent } from '../../queries/pipeline/freshness.ts'
import { readUnaccounted, type UnaccountedEvents } from '../../queries/pipeline/unaccounted.ts'
import { readVerification, type VerificationState } from '../../queries/pipeline/verification.ts'
import { readHeartbeats } from '../../queries/pipeline/worker-heartbeats.ts'
import { allowOnly } from './problem.ts'

export interface HealthDeps {
  db: Database
  log: Log
}

const CHECK_MS_MAX = 2_000
/** Requests within this time share one check. */
const CHECK_MS_MIN = 250

/** The state of each part: `ok`, or what is wrong with it. */
export type HealthCheck = () => Promise<Record<string, string>>

export function createHealthCheck(deps: HealthDeps): HealthCheck {
  let last: { at: number; checks: Promise<Record<string, string>> } | undefined
  return () => {
    if (!last || Date.now() - last.at > CHECK_MS_MIN) last = { at: Date.now(), checks: check(deps) }
    return last.checks
  }
}

/** What makes no process less ready, in words. */
export interface PipelineState {
  /** `ok`, or what is wrong with the balance of accepted events and outcomes. */
  balance: string
  /** `ok`, or what is wrong with rollups, which are compared with their events all the time. */
  rollups: string
  /** `ok`, or where canaries stop. */
  freshness: string
}

export function createPipelineState(db: Database): () => Promise<PipelineState> {
  let last: { at: number; state: Promise<PipelineState> } | undefined
  const inTime = <T>(name: string, read: Promise<T>, describeState: (of: T) => string) =>
    withTimeout(CHECK_MS_MAX, name, read).then(describeState, describe)
  const read = async (): Promise<PipelineState> => {
    const [balance, rollups, freshness] = await Promise.all([
      inTime('the balance', readUnaccounted(db), describeBalance),
      inTime('the rollups', readVerification(db), describeRollups),
      withTimeout(CHECK_MS_MAX, 'the freshness', readFailingComponent(db)).then(
        describeFreshness,
        // Canaries are in Postgres.
        () => describeFreshness({ state: 'FAILING', failingComponent: 'postgres' }),
      ),
    ])
    return { balance, rollups, freshness }
  }
  return () => {
    if (!last || Date.now() - last.at > CHECK_MS_MIN) last = { at: Date.now(), state: read() }
    return last.state
  }
}

function describeFreshness({
  state,
  failingComponent,
}: Pick<Freshness, 'state' | 'failingComponent'>): string {
  if (state === 'OK') return 'ok'
  if (state === 'OFF') return 'no canaries are sent'
  if (state === 'STALE') return 'no canary was sent lately'
  return `failing: ${failingComponent}`
}

function describeBalance({ events, checkedSecondsAgo }: UnaccountedEvents): string {
  if (checkedSecondsAgo === null) return 'not compared yet'
  if (events > 0) return 'events are unaccounted for'
  return checkedSecondsAgo > BALANCE_AGE_S_MAX ? 'not compared lately' : 'ok'
}

const BALANCE_AGE_S_MAX = 120

function describeRollups({ rollupDifferences, sampledSecondsAgo }: VerificationState): string {
  if (sampledSecondsAgo === null) return 'not compared yet'
  if (rollupDifferences > 0) return 'rollups differ from their events'
  return sampledSecondsAgo > ROLLUPS_AGE_S_MAX ? 'not compared lately' : 'ok'
}

const ROLLUPS_AGE_S_MAX = 900

/**
 * GET /livez: the process responds. GET /readyz: Postgres, the log and a worker do, or names the part that does not; and
 * whether the balance is 0, rollups are what their events add up to, and where canaries stop.
 */
export function health(checkHealth: HealthCheck, readState: () => Promise<PipelineState>): Hono {
  const app = new Hono()
  app.get('/livez', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', async (c) => {
    const [checks, state] = await Promise.all([checkHealth(), readState()])
    const ready = Object.values(checks).every((state) => state === 'ok')
    c.header('Cache-Control', 'no-store')
    return c.json({ status: ready ? 'ready' : 'failing', checks, ...state }, ready ? 200 : 503)
  })
  for (const path of ['/livez', '/readyz']) app.all(path, allowOnly('GET, HEAD'))
  return app
}

async function check({ db, log }: HealthDeps): Promise<Record<string, string>> {
  const parts = {
    postgres: async () => {
      await sql`SELECT 1`.execute(db)
    },
    log: async () => {
      await log.offsets(TOPICS.raw.name)
    },
    worker: async () => {
      const seconds = LIVE_LIMITS.heartbeatAgeMs / 1000
      const ages = (await readHeartbeats(db)).map(({ ageSeconds }) => ageSeconds)
      if (ages.length === 0) throw new Error('no worker runs')
      const newest = Math.min(...ages)
      if (newest > seconds) throw new Error(`the last heartbeat is ${Math.round(newest)} s old`)
    },
  }
  const states = Object.entries(parts).map(async ([part, probe]) => {
    const state = await withTimeout(CHECK_MS_MAX, part, probe()).then(
      () => 'ok',
      (error: Error) => describe(error),
    )
    return [part, state] as const
  })
  return Object.fromEntries(await Promise.all(states))
}

/** Messages of connection errors may name hosts and users; their code is enough. */
function describe(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? `failed (${code})` : error.message
}
