import { isUtf8 } from 'node:buffer'
import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import type { DeadLetterRecord } from '../../contract/log/dead-letter.ts'
import { partitionFor } from '../../contract/log/partitioner.ts'
import type { DeadReason } from '../../contract/log/record.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { LOCKS } from '../db/locks.ts'
import { pause } from '../lib/pause.ts'
import type { Log, NewRecord } from '../log/log.ts'
import type { Logger } from '../worker/consume/partition-consumer.ts'

/** Carries dead letters from Postgres, where they are made, to events.dlq. Any number of processes may run one. */
export interface DeadLetterForwarder {
  /** Goes on until `signal` aborts; trouble is tried again for ever. */
  run(signal: AbortSignal): Promise<void>
  /** There may be new ones. */
  look(): void
}

export interface ForwarderDeps {
  pool: pg.Pool
  log: Pick<Log, 'append'>
  logger: Logger
}

const EVERY_MS = 2_000
const RETRY_MS_MAX = 30_000
const LETTERS_MAX = 500
/** One larger letter still goes alone. */
const BYTES_MAX = 4 * 1024 * 1024

interface Row extends Omit<DeadLetterRecord, 'v' | 'source' | 'original' | 'base64'> {
  topic: string
  partition: number
  log_offset: number
  original: Buffer
}

/**
 *   lock ▶ the oldest that have not gone out ▶ append ▶ mark ▶ commit
 *
 * One transaction and one forwarder at a time. A crash between the append and the commit sends those letters again, with
 * the same key and the same bytes; none is ever left out, because the mark is on each letter and not a position.
 */
export function createForwarder({ pool, log, logger }: ForwarderDeps): DeadLetterForwarder {
  let wake = () => {}

  /** @returns whether there may be more at once */
  async function forward(): Promise<boolean> {
    const client = await pool.connect()
    let broken: Error | undefined
    try {
      await client.query('BEGIN')
      const { rows: locks } = await client.query<{ ours: boolean }>(
        `SELECT pg_try_advisory_xact_lock(hashtextextended('${LOCKS.forwardDeadLetters.name}', 0)) AS ours`,
      )
      const rows = locks[0]?.ours ? await unsent(client) : []
      if (rows.length > 0) {
        await append(rows)
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

  async function append(rows: readonly Row[]): Promise<void> {
    const records = rows.map((row) => toRecord(row))
    try {
      await log.append(TOPICS.deadLetters.name, records)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      // One of them is too large for the topic. What it is about is worth more than nothing.
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
    look: () => wake(),
    async run(signal) {
      for (let failures = 0; !signal.aborted; ) {
        const woken = new AbortController()
        wake = () => woken.abort()
        const either = AbortSignal.any([signal, woken.signal])
        try {
          const more = await forward()
          failures = 0
          if (!more) await pause(EVERY_MS, either)
        } catch (error) {
          failures++
          logger.warn({ error: String(error) }, 'dead letters wait for events.dlq; tried again')
          await pause(Math.min(RETRY_MS_MAX, 500 * 2 ** failures), signal)
        }
      }
    },
  }
}

async function unsent(client: pg.ClientBase): Promise<Row[]> {
  const { rows } = await client.query<Row>(
    `WITH waiting AS (
       SELECT *, sum(length(original)) OVER (ORDER BY dead_letter_id) - length(original) AS before
         FROM (SELECT * FROM dead_letter WHERE forwarded_at IS NULL ORDER BY dead_letter_id LIMIT ${LETTERS_MAX}) d
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

/** The same letter gives the same bytes, whoever sends it and however often. */
export function toRecord(row: Row, originalBytesMax: number = LIMITS.recordBytesMax): NewRecord {
  const { topic, partition, log_offset, original, ...fields } = row
  const letter: DeadLetterRecord = {
    v: 1,
    ...fields,
    reason: row.reason as DeadReason,
    source: { topic, partition, offset: log_offset },
  }
  const key = Buffer.from(`${topic}:${partition}:${log_offset}`)
  const spelt = (more: object) => Buffer.from(JSON.stringify({ ...letter, ...more }))
  const candidates = [
    () => (isUtf8(original) ? spelt({ original: original.toString() }) : undefined),
    // Escapes may make six bytes of one.
    () => spelt({ original: original.toString('base64'), base64: true }),
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
    value: value ?? spelt({}),
  }
}
