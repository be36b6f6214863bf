import * as z from 'zod/mini'
import { LIMITS } from '../../../contract/limits.ts'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import type { ResponseSpec } from '../../formats/ingest-format.ts'
import {
  type BeginResult,
  type IdempotencyStore,
  type IdempotentRequest,
  type Lock,
  waitForLock,
} from '../idempotency.ts'
import { type AdmitReply, parseAdmitReply } from './admit-reply.ts'
import type { RedisClient } from './redis.ts'
import { ADMIT, REPLACE_LOCK } from './scripts.ts'

/** Locks and responses in Redis, shared by every edge; they expire by themselves. */
export function createRedisIdempotency(redis: RedisClient): IdempotencyStore {
  return {
    async begin(request, now) {
      const token = crypto.randomUUID()
      const key = lockKey(request)
      const args = [now, 0, 0, 0, ...lockArgs(request, token)]
      const reply = await redis.run(ADMIT, [key, key, key], args)
      return readBeginResult(redis, parseAdmitReply(reply), request, token, now) as BeginResult
    },
  }
}

export function lockKey({ tenant, trust, key }: IdempotentRequest): string {
  return REDIS_KEYS.idempotencyKey(tenant, trust, key)
}

/** The last four of ADMIT's arguments. @param token of a lock that no other request can name */
export function lockArgs({ fingerprint }: IdempotentRequest, token: string): (string | number)[] {
  return [fingerprint, token, LIMITS.idempotencyLeaseMs, LIMITS.idempotencyResultMs]
}

const responseSpec = z.object({
  status: z.number(),
  body: z.string(),
  type: z.optional(z.string()),
})

export function readBeginResult(
  redis: RedisClient,
  { kind, stored, lockedAt, until }: AdmitReply,
  request: IdempotentRequest,
  token: string,
  now: number,
): BeginResult | undefined {
  if (kind === '') return undefined
  if (kind === 'mismatch') return { kind }
  if (kind === 'in-flight') return { kind, waitMs: waitForLock(lockedAt, until, now) }
  if (kind === 'completed') return { kind, response: responseSpec.parse(stored) }
  const checkpoint = stored === '' ? undefined : responseSpec.parse(stored)
  return createLock(redis, request, token, now, checkpoint)
}

/** Names in Redis; a stored format. */
const FIELDS = { response: 'said', checkpoint: 'kept', lockedAt: 'leased' } as const
type StoredField = typeof FIELDS.response | typeof FIELDS.checkpoint

function createLock(
  redis: RedisClient,
  request: IdempotentRequest,
  token: string,
  now: number,
  checkpoint: ResponseSpec | undefined,
): Lock {
  let lockedAt = now
  const { fingerprint } = request

  async function put(
    mustHold: boolean,
    until: number,
    ms: number,
    fields: Record<string, string | number>,
  ) {
    // The edges compare the time; Redis only clears up, a minute later.
    const all = Object.entries({ fingerprint, until, ...fields }).flat()
    const args = [token, mustHold ? 1 : 0, ms + CLEAR_UP_MS, ...all]
    await redis.run(REPLACE_LOCK, [lockKey(request)], args)
  }

  async function store(field: StoredField, value: ResponseSpec, at: number, mustHold = false) {
    if (value.body.length > LIMITS.redisResponseCharsMax) return drop()
    const ms = LIMITS.idempotencyResultMs
    await put(mustHold, at + ms, ms, { [field]: JSON.stringify(value) })
  }

  async function drop() {
    await redis.run(REPLACE_LOCK, [lockKey(request)], [token, 1, ''])
  }

  return {
    kind: 'acquired',
    checkpoint,
    complete: (response, at) => store(FIELDS.response, response, at),
    saveCheckpoint: (progress, at) => store(FIELDS.checkpoint, progress, at),
    async renew(at) {
      lockedAt = at
      const until = at + LIMITS.idempotencyLeaseMs
      const lock = { [FIELDS.lockedAt]: at, token }
      if (!checkpoint) await put(false, until, LIMITS.idempotencyLeaseMs, lock)
      else {
        const fields = { ...lock, [FIELDS.checkpoint]: JSON.stringify(checkpoint) }
        await put(false, until, LIMITS.idempotencyResultMs, fields)
      }
    },
    release: () => (checkpoint ? store(FIELDS.checkpoint, checkpoint, lockedAt, true) : drop()),
  }
}

const CLEAR_UP_MS = 60_000
