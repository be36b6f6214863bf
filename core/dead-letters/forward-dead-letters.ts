import { isUtf8 } from 'node:buffer'
import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import type { DeadLetterRecord } from '../../contract/log/dead-letter.ts'
import { partitionFor } from '../../contract/log/partitioner.ts'
import type { DeadReason } from '../../contract/log/record.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { LOCKS } from '../db/locks.ts'
import { backoffMs } from '../lib/backoff.ts'
import type { Logger } from '../lib/logger.ts'
import { pause } from '../lib/pause.ts'
import type { Log, NewRecord } from '../log/log.ts'

/** Forwards dead letters from Postgres, where they are created, to events.dlq. Any number of processes may run one. */
export interface DeadLetterForwarder {
  /** Goes on until `signal` aborts; retries for ever. */
  run(signal: AbortSignal): Promise<void>
  /** There may be new dead letters: looks now instead of in two seconds. */
  wake(): void
}

export interface DeadLetterForwarderDeps {
  pool: pg.Pool
  log: Pick<Log, 'append'>
  logger: Logger
}

const POLL_MS = 2_000
const RETRY_MS_MAX = 30_000
const DEAD_LETTERS_MAX = 500
/** A larger dead letter still goes alone. */
const BYTES_MAX = 4 * 1024 * 1024

interface Row extends Omit<DeadLetterRecord, 'v' | 'source' | 'original' | 'base64'> {
  topic: string
  partition: number
  log_offset: number
  original: Buffer
}

/**
 *   lock ▶ select the oldest that were not forwarded ▶ append ▶ mark ▶ commit
 *
 * One transaction and one forwarder at a time. A crash between the append and the commit sends those dead letters again,
 * with the same key and the same bytes; none is ever left out, because the mark is on each one and is not a position.
 */
export function createDeadLetterForwarder({
  pool,
  log,
  logger,
}: DeadLetterForwarderDeps): DeadLetterForwarder {
  let wakeUp = () => {}

  /** @returns whether there may be more at once */
  async function forward(): Promise<boolean> {
    const client = await pool.connect()
    let broken: Error | undefined
    try {
      await client.query('BEGIN')
      const { rows: locks } = await client.query<{ acquired: boolean }>(
        `SELECT pg_try_advisory_xact_lock(hashtextextended('${LOCKS.forwardDeadLetters.name}', 0)) AS acquired`,
      )
      const rows = locks[0]?.acquired ? await selectUnforwarded(client) : []
      if (rows.length > 0) {
        await appendAll(rows)
        await client.query(
          'UPDATE dead_letter SET forwarded_at = now() WHERE dead_letter_id = ANY ($1)',
          [rows.map(({ id }) => id)],
        )
      }
      await client.query('COMMIT')
      return rows.length > 0
    } catch (error) {
      broken = error as Error
      throw error
    } finally {
      client.release(broken)
    }
  }

  async function appendAll(rows: readonly Row[]): Promise<void> {
    const records = rows.map((row) => toRecord(row))
    try {
      await log.append(TOPICS.deadLetters.name, records)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      // One of them is too large for the topic. It goes without what was sent rather than not at all.
      for (const row of rows) await appendAlone(row)
    }
  }

  async function appendAlone(row: Row): Promise<void> {
    const { name } = TOPICS.deadLetters
    await log.append(name, [toRecord(row)]).catch((error) => {
      if (!(error instanceof RangeError)) throw error
      return log.append(name, [toRecord(row, 0)])
    })
  }

  return {
    wake: () => wakeUp(),
    async run(signal) {
      for (let failures = 0; !signal.aborted; ) {
        const woken = new AbortController()
        wakeUp = () => woken.abort()
        const either = AbortSignal.any([signal, woken.signal])
        try {
          const more = await forward()
          failures = 0
          if (!more) await pause(POLL_MS, either)
        } catch (error) {
          failures++
          logger.warn({ error: String(error) }, 'forwarding dead letters failed, retrying')
          await pause(backoffMs(failures, { baseMs: 500, maxMs: RETRY_MS_MAX }), signal)
        }
      }
    },
  }
}

async function selectUnforwarded(client: pg.ClientBase): Promise<Row[]> {
  const { rows } = await client.query<Row>(
    `WITH waiting AS (
       SELECT *, sum(length(original)) OVER (ORDER BY dead_letter_id) - length(original) AS before
         FROM (SELECT * FROM dead_letter WHERE forwarded_at IS NULL ORDER BY dead_letter_id LIMIT ${DEAD_LETTERS_MAX}) d
     )
     SELECT d.dead_letter_id::float8 AS id, t.slug AS tenant, d.reason, d.detail, d.fingerprint,
            to_json(d.received_at AT TIME ZONE 'UTC') #>> '{}' || 'Z' AS received_at,
            to_json(d.dead_at AT TIME ZONE 'UTC') #>> '{}' || 'Z' AS dead_at,
            d.request_id, d.route, d.client, d.topic, d.partition, d.log_offset::float8 AS log_offset, d.original
       FROM waiting d LEFT JOIN tenant t USING (tenant_id)
      WHERE d.before < ${BYTES_MAX} ORDER BY d.dead_letter_id`,
  )
  return rows
}

/** The same dead letter gives the same bytes, whichever process sends it and however often. */
export function toRecord(row: Row, originalBytesMax: number = LIMITS.recordBytesMax): NewRecord {
  const { topic, partition, log_offset, original, ...fields } = row
  const deadLetter: DeadLetterRecord = {
    v: 1,
    ...fields,
    reason: row.reason as DeadReason,
    source: { topic, partition, offset: log_offset },
  }
  const key = Buffer.from(`${topic}:${partition}:${log_offset}`)
  const encode = (more: object) => Buffer.from(JSON.stringify({ ...deadLetter, ...more }))
  const candidates = [
    () => (isUtf8(original) ? encode({ original: original.toString() }) : undefined),
    // JSON escapes may make six bytes of one.
    () => encode({ original: original.toString('base64'), base64: true }),
  ]
  let value: Buffer | undefined
  if (original.length <= originalBytesMax)
    for (const candidate of candidates) {
      value = candidate()
      if (value && key.length + value.length <= LIMITS.recordBytesMax) break
      value = undefined
    }
  return {
    partition: partitionFor(key, TOPICS.deadLetters.partitions),
    key,
    value: value ?? encode({}),
  }
}
