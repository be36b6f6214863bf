import { withoutKeys } from '../../../contract/api-key.ts'
import { SYNONYMS } from '../../../contract/event/event.ts'
import { derivedEventId, uuidV7 } from '../../../contract/event/uuid.ts'
import { parseJson } from '../../../contract/json/json.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { ProduceResult } from '../../../contract/log/kafka-rest.ts'
import { recordEncoder } from '../../../contract/log/record.ts'
import { recordKey, TOPICS } from '../../../contract/log/topics.ts'
import {
  limitEvents,
  maxBatch,
  type RateLimiter,
  rateLimitedProblem,
} from '../../admission/rate-limiter.ts'
import type { ByteBudget } from '../../http/byte-budget.ts'
import type { EdgeContext } from '../../http/context.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { clientOf } from '../../ingest/ingest.ts'
import { validateEvents } from '../../ingest/validate-events.ts'
import type { Publish } from '../../publish/publisher.ts'
import type { IncomingItem } from '../ingest-format.ts'
import type { Line } from './lines.ts'
import type { LineResults } from './tally.ts'

export interface ChunkDeps {
  rateLimiter: RateLimiter | undefined
  room: ByteBudget
  publish: Publish
  edgeNameOf: (request: Request) => string
  now: () => number
  /** Whether the key is still good; it may be revoked while a stream goes on. @throws Refused */
  again: () => Promise<unknown>
}

/** Some lines of a stream, as far as they came, and why they came no further. */
export interface ProcessedChunk extends LineResults {
  stopped?: unknown
}

/**
 * Judge, limit, stamp, publish: what a batch goes through, for a part of a stream.
 * @returns how to settle lines, the first of which has the index `from` in the stream
 */
export function createChunkProcessor(c: EdgeContext, deps: ChunkDeps) {
  const { rateLimiter: limiter, publish, now } = deps
  const idempotencyKey = c.get('idempotencyKey')

  return async (lines: readonly Line[], from: number): Promise<ProcessedChunk> => {
    const nothing = { lines: 0, accepted: [], errors: [], warnings: [] }
    const taken: { refund(): Promise<void> }[] = []
    let leave: (() => void) | undefined
    try {
      await deps.again()
      leave = await enter(deps.room, 2 * charsOf(lines))
      const { tenant, key_id, event_age_max_s, schema_versions } = c.get('key')
      const receivedMs = now()
      const receivedAt = new Date(receivedMs).toISOString()
      const items = lines.map(itemOf)
      const judged = validateEvents(items, {
        receivedMs,
        receivedAt,
        eventAgeMaxMs: c.get('historical') ? Number.POSITIVE_INFINITY : event_age_max_s * 1000,
        shiftMs: 0,
        schemaVersions: schema_versions ?? null,
        eventId: await chooseIds(tenant, items, from, receivedMs),
      })
      const { fits, stopped } = await ask(lines.length, taken)
      const isIn = ({ index }: { index: number }) => index < fits
      const encode = recordEncoder({
        v: 1,
        tenant,
        key: key_id,
        request_id: c.get('requestId'),
        received_at: receivedAt,
        edge: deps.edgeNameOf(c.req.raw),
        route: 'ndjson',
        client: clientOf(c, {}),
        historical: c.get('historical') || undefined,
      })
      const foreseen = new Set(judged.warnings.map(({ index }) => index))
      const accepted = judged.accepted.filter(isIn)
      const records = accepted.map(({ index, event, json }) => ({
        topic: TOPICS.raw.name,
        key: recordKey(tenant, event),
        value: encode.event(
          json,
          foreseen.has(index) ? withoutKeys(lines[index] as string) : undefined,
        ),
      }))
      const positions = records.length > 0 ? await publish(records) : []
      const inStream = <T extends { index: number }>(of: T) => ({ ...of, index: from + of.index })
      return {
        lines: fits,
        accepted: accepted.map(({ index, event }, i) => {
          const { partition, offset } = positions[i] as ProduceResult
          return { index: from + index, event, partition, offset }
        }),
        errors: judged.errors.filter(isIn).map(inStream),
        warnings: judged.warnings.filter(isIn).map(inStream),
        stopped,
      }
    } catch (error) {
      // What was not published cost nothing.
      for (const verdict of taken) await verdict.refund()
      return { ...nothing, stopped: error }
    } finally {
      leave?.()
    }
  }

  /** As many as may be sent now; the rest is told when. */
  async function ask(count: number, taken: { refund(): Promise<void> }[]) {
    if (!limiter) return { fits: count }
    const key = c.get('key')
    const most = maxBatch(key)
    if (most < 1)
      throw new HttpProblem('BATCH_OVER_LIMIT', { detail: 'The rate limit never admits an event.' })
    const take = async (events: number) => {
      const verdict = await limitEvents(limiter, key, events, now())
      Object.assign(c.get('headers'), verdict.headers)
      if (verdict.allowed) taken.push(verdict)
      return verdict
    }
    for (let fits = 0; ; ) {
      const wanted = Math.min(count - fits, most)
      const verdict = await take(wanted)
      if (!verdict.allowed) {
        const left = Math.min(...verdict.policies.map(({ remaining }) => remaining))
        const some = left >= 1 && left < wanted && (await take(left)).allowed
        return { fits: fits + (some ? left : 0), stopped: rateLimitedProblem(verdict) }
      }
      fits += wanted
      if (fits === count) return { fits }
    }
  }

  /** Derived ids cost a digest each, so only where the client chose none. */
  async function chooseIds(
    tenant: string,
    items: readonly IncomingItem[],
    from: number,
    now: number,
  ) {
    if (idempotencyKey === undefined) return () => uuidV7(now)
    const ids = await Promise.all(
      items.map(({ raw }, i) =>
        hasId(raw) ? '' : derivedEventId(tenant, idempotencyKey, from + i),
      ),
    )
    return (index: number) => ids[index] as string
  }
}

function hasId(raw: unknown): boolean {
  if (raw === null || typeof raw !== 'object') return false
  return SYNONYMS.event_id.some((name) => Object.hasOwn(raw, name) && (raw as Event)[name] !== null)
}

type Event = Partial<Record<(typeof SYNONYMS.event_id)[number], unknown>>

function itemOf(line: Line): IncomingItem {
  if (typeof line !== 'string') return { raw: undefined, badNumbers: [], faults: line }
  const parsed = parseJson(line)
  if (parsed.ok) return { raw: parsed.value, badNumbers: parsed.badNumbers }
  const detail = parsed.detail.replace(/^The body/, 'the line').replace(/\.$/, '')
  return { raw: undefined, badNumbers: [], faults: { code: 'INVALID_JSON', detail } }
}

function charsOf(lines: readonly Line[]): number {
  let chars = 0
  for (const line of lines) if (typeof line === 'string') chars += line.length
  return chars
}

/** A stream can wait for room, as long as for the log. @throws OVERLOADED */
async function enter(room: ByteBudget, bytes: number): Promise<() => void> {
  for (let waited = 0; ; waited += ROOM_MS) {
    try {
      return room.acquire(bytes)
    } catch (error) {
      if (waited >= LIMITS.publishMsMax) throw error
      await new Promise((resolve) => setTimeout(resolve, ROOM_MS))
    }
  }
}

const ROOM_MS = 50
