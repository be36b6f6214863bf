import type pg from 'pg'
import { LOCKS } from '../../../db/locks.ts'
import type { Logger } from '../../../lib/logger.ts'
import { pause } from '../../../lib/pause.ts'
import type { Log } from '../../../log/log.ts'
import { createVerifyPool, verify } from '../verify.ts'
import { createSampler } from './sample.ts'

/**
 * Verifies by itself, in one process of all workers' by an advisory lock: compares rollups with their events all the
 * time, an hour after the other, and recounts everything once a night.
 */
export interface VerificationWatch {
  /** Ends when `signal` aborts. */
  run(signal: AbortSignal): Promise<void>
}

export interface VerificationWatchDeps {
  databaseUrl: string
  log: Log
  logger: Logger
  /** Of the day, UTC, at which everything is recounted; undefined: never. */
  hour: number | undefined
  /** Compare rollups all the time. */
  isSampling: boolean
  /** From one comparison to the next at least; five seconds unless set. */
  sampleMs?: number
  /** And for so many times as long as a comparison took; 19 times unless set. */
  pauseMultiple?: number
}

const SAMPLE_MS = 5_000
/** Five percent of a core of Postgres. */
const PAUSE_MULTIPLE = 19
const RETRY_MS = 10_000
const DUE_EVERY_MS = 30_000
const NIGHTLY_RETRY_MS = 600_000
const NIGHTLY_STATEMENT_MS_MAX = 60_000
/** A core that was started later in the day waits for the next night. */
const DUE_HOURS = 6

export function createVerificationWatch(deps: VerificationWatchDeps): VerificationWatch {
  const { logger } = deps
  return {
    async run(signal) {
      const pool = createVerifyPool({ ...deps, statementMsMax: NIGHTLY_STATEMENT_MS_MAX }, 2)
      try {
        while (!signal.aborted) {
          await watchWhileHeld(deps, pool, signal).catch((error) => {
            if (!signal.aborted)
              logger.warn({ error: String(error) }, 'verifying failed, retrying in 10 s')
          })
          await pause(RETRY_MS, signal)
        }
      } finally {
        await pool.end()
      }
    },
  }
}

/** Until the lock is lost, something fails, or `signal` aborts. */
async function watchWhileHeld(
  deps: VerificationWatchDeps,
  pool: pg.Pool,
  signal: AbortSignal,
): Promise<void> {
  const client = await pool.connect()
  const ended = new AbortController()
  const either = AbortSignal.any([signal, ended.signal])
  let broken: Error | undefined
  try {
    const { rows } = await client.query(`SELECT pg_try_advisory_lock(${LOCKS.verify.key}) AS mine`)
    if (!rows[0].mine) return
    if (!deps.isSampling) await client.query(FORGET)
    const loops = [sampleRegularly(deps, pool, client, either), verifyNightly(deps, pool, either)]
    for (const loop of loops) loop.catch(() => ended.abort())
    const failed = (await Promise.allSettled(loops)).find(({ status }) => status === 'rejected')
    if (failed) throw (failed as PromiseRejectedResult).reason
    await client.query(`SELECT pg_advisory_unlock(${LOCKS.verify.key})`)
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    client.release(broken)
  }
}

/** What nothing compares again would stay for ever. */
const FORGET =
  'DELETE FROM rollup_difference; UPDATE verification_state SET sampled_at = NULL, swept_at = NULL'

/** Fails where the connection with the lock is gone: another process may have it then. */
async function sampleRegularly(
  {
    logger,
    isSampling,
    sampleMs = SAMPLE_MS,
    pauseMultiple = PAUSE_MULTIPLE,
  }: VerificationWatchDeps,
  pool: pg.Pool,
  holder: pg.ClientBase,
  signal: AbortSignal,
): Promise<void> {
  const sampler = createSampler(pool, logger, signal)
  while (!signal.aborted) {
    await holder.query('SELECT')
    const startedAt = performance.now()
    if (isSampling)
      await sampler.step().catch((error) => {
        if (!signal.aborted) logger.warn({ error: String(error) }, 'comparing rollups failed')
      })
    await pause(Math.max(sampleMs, (performance.now() - startedAt) * pauseMultiple), signal)
  }
}

async function verifyNightly(
  { databaseUrl, log, logger, hour }: VerificationWatchDeps,
  pool: pg.Pool,
  signal: AbortSignal,
): Promise<void> {
  if (hour === undefined) return
  while (!signal.aborted) {
    if (await isDue(pool, hour)) {
      const args = { databaseUrl, log, signal, statementMsMax: NIGHTLY_STATEMENT_MS_MAX }
      try {
        const report = await verify({ ...args, concurrency: 1, resume: true })
        const { clean, differences, moreDifferences, notChecked } = report
        const facts = { differences: differences.length + moreDifferences, notChecked }
        if (clean) logger.info({}, 'everything was recounted, nothing differs')
        else logger.error(facts, 'the nightly recount found differences: see "sluice verify"')
      } catch (error) {
        if (signal.aborted) return
        logger.error({ error: String(error) }, 'the nightly recount failed, retrying in 10 min')
        await pause(NIGHTLY_RETRY_MS, signal)
      }
    }
    await pause(DUE_EVERY_MS, signal)
  }
}

/** By Postgres' clock; a recount that an operator has made since counts, too. */
async function isDue(pool: pg.Pool, hour: number): Promise<boolean> {
  const { rows } = await pool.query<{ due: boolean }>(
    `SELECT coalesce(v.finished_at < s.slot, true) AND clock_timestamp() < s.slot + interval '${DUE_HOURS} hours' AS due
       FROM verification_state v,
            (SELECT date_trunc('day', clock_timestamp() - make_interval(hours => $1), 'UTC') + make_interval(hours => $1) AS slot) s`,
    [hour],
  )
  return rows[0]?.due === true
}
