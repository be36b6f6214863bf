import type { KeyRecord } from '../../../contract/api-key.ts'
import { parseJson } from '../../../contract/json/json.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { limitPartially } from '../../admission/partial-limit.ts'
import type { RateLimiter } from '../../admission/rate-limiter.ts'
import type { Authenticate } from '../../auth/authenticate.ts'
import { type Budgets, sharesOfKey } from '../../http/budgets.ts'
import type { EdgeContext } from '../../http/context.ts'
import type { IdempotencySource } from '../../ingest/event-ids.ts'
import { type PublishDeps, publishValidated } from '../../ingest/publish-validated.ts'
import { type EventChunk, validateEvents } from '../../ingest/validate-events.ts'
import type { IncomingBatch, IncomingItem } from '../ingest-format.ts'
import type { Line } from './lines.ts'
import type { LineResults } from './tally.ts'

export interface ChunkDeps extends PublishDeps {
  /** Called for every chunk, because the key may be revoked while a stream goes on. */
  authenticate: Authenticate
  rateLimiter: RateLimiter | undefined
  budgets: Budgets
  now: () => number
}

/** The lines of a chunk that were processed, and why the others were not. */
export interface ProcessedChunk extends LineResults {
  stopped?: unknown
}

/** The first of the lines has the index `firstIndex` in the stream. Never rejects. */
export type ProcessChunk = (lines: readonly Line[], firstIndex: number) => Promise<ProcessedChunk>

/** The same steps as a batch's, for a part of a stream: authenticate ▶ validate ▶ limit ▶ publish. */
export function createChunkProcessor(
  c: EdgeContext,
  idempotencyKey: string | undefined,
  deps: ChunkDeps,
): ProcessChunk {
  return async (lines, firstIndex) => {
    let release: (() => void) | undefined
    try {
      const request = await deps.authenticate(c)
      release = await acquire(deps.budgets, request.key, 2 * charsOf(lines))
      const receivedMs = deps.now()
      const chunk: EventChunk = {
        batch: batchOf(lines),
        receivedMs,
        firstIndex,
        idempotency: idempotencyKey === undefined ? undefined : byLine(idempotencyKey, lines),
      }
      const validated = await validateEvents(request, chunk)
      const limit = await limitPartially(request, deps.rateLimiter, lines.length, deps.now)

      const isAllowed = ({ index }: { index: number }) => index < limit.allowed
      const accepted = validated.accepted.filter(isAllowed)
      const allowed = { accepted, warnings: validated.warnings }
      const published = await publishValidated(request, chunk, allowed, [], ROUTE, deps).catch(
        async (error: unknown) => {
          await limit.refund()
          throw error
        },
      )

      const inStream = <T extends { index: number }>(of: T) => ({
        ...of,
        index: firstIndex + of.index,
      })
      return {
        lines: limit.allowed,
        accepted: published,
        errors: validated.errors.filter(isAllowed).map(inStream),
        warnings: validated.warnings.filter(isAllowed).map(inStream),
        stopped: limit.problem,
      }
    } catch (error) {
      return { lines: 0, accepted: [], errors: [], warnings: [], stopped: error }
    } finally {
      release?.()
    }
  }
}

/** The whole stream is not known yet, so an id is derived from the event's own line. */
function byLine(key: string, lines: readonly Line[]): IdempotencySource {
  return { key, contentOf: (index) => String(lines[index]) }
}

const ROUTE = 'ndjson'

/** Lines that cannot be parsed are rejected: they have no original to keep. */
function batchOf(lines: readonly Line[]): IncomingBatch {
  return {
    isSingleEvent: false,
    items: lines.map(itemOf),
    original: (index) => lines[index] as string,
  }
}

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

/** A stream can wait for the budget, as long as for the log. @throws OVERLOADED */
async function acquire({ ingest }: Budgets, key: KeyRecord, bytes: number): Promise<() => void> {
  for (let waited = 0; ; waited += BUDGET_POLL_MS) {
    try {
      return ingest.acquire(bytes, sharesOfKey(key))
    } catch (error) {
      if (waited >= LIMITS.publishMsMax) throw error
      await new Promise((resolve) => setTimeout(resolve, BUDGET_POLL_MS))
    }
  }
}

const BUDGET_POLL_MS = 50
