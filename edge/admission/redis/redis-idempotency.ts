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
import type { RedisClient } from './redis.ts'
import { type AdmitReply, parseAdmitReply } from './redis-rate-limiter.ts'
import { ADMIT, REPLACE_LOCK } from './scripts.ts'

/** Leases and answers in Redis: of every edge, and forgotten when their time is over. */
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

export function lockKey({ tenant, key }: IdempotentRequest): string {
  return REDIS_KEYS.idempotencyKey(tenant, key)
}

/** The last four of ENTER's arguments. @param token of a lease that nobody else can name */
export function lockArgs({ fingerprint }: IdempotentRequest, token: string): (string | number)[] {
  return [fingerprint, token, LIMITS.idempotencyLeaseMs, LIMITS.idempotencyResultMs]
}

const said = z.object({ status: z.number(), body: z.string(), type: z.optional(z.string()) })

export function readBeginResult(
  redis: RedisClient,
  [, , , , , , is, text, leased, until]: AdmitReply,
  request: IdempotentRequest,
  token: string,
  now: number,
): BeginResult | undefined {
  if (is === '') return undefined
  if (is === 'mismatch') return { kind: is }
  if (is === 'in-flight') return { kind: is, waitMs: waitForLock(leased, until, now) }
  if (is === 'completed') return { kind: is, said: said.parse(text) }
  return createLock(redis, request, token, now, text === '' ? undefined : said.parse(text))
}

function createLock(
  redis: RedisClient,
  request: IdempotentRequest,
  token: string,
  leasedAt: number,
  kept: ResponseSpec | undefined,
): Lock {
  let leased = leasedAt
  const { fingerprint } = request

  async function put(
    held: boolean,
    until: number,
    ms: number,
    fields: Record<string, string | number>,
  ) {
    // Whoever compares the time ends it; Redis only clears up, a minute later.
    const all = Object.entries({ fingerprint, until, ...fields }).flat()
    await redis.run(
      REPLACE_LOCK,
      [lockKey(request)],
      [token, held ? 1 : 0, ms + CLEAR_UP_MS, ...all],
    )
  }

  async function leave(name: 'said' | 'kept', left: ResponseSpec, at: number, held = false) {
    if (left.body.length > LIMITS.redisResponseCharsMax) return drop()
    const ms = LIMITS.idempotencyResultMs
    await put(held, at + ms, ms, { [name]: JSON.stringify(left) })
  }

  async function drop() {
    await redis.run(REPLACE_LOCK, [lockKey(request)], [token, 1, ''])
  }

  return {
    kind: 'acquired',
    checkpoint: kept,
    complete: (said, now) => leave('said', said, now),
    saveCheckpoint: (progress, now) => leave('kept', progress, now),
    async renew(now) {
      leased = now
      const until = now + LIMITS.idempotencyLeaseMs
      const held = { leased: now, token }
      if (!kept) await put(false, until, LIMITS.idempotencyLeaseMs, held)
      else {
        const fields = { ...held, kept: JSON.stringify(kept) }
        await put(false, until, LIMITS.idempotencyResultMs, fields)
      }
    },
    release: () => (kept ? leave('kept', kept, leased, true) : drop()),
  }
}

const CLEAR_UP_MS = 60_000
