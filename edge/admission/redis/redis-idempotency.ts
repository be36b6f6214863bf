import * as z from 'zod/mini'
import { LIMITS } from '../../../contract/limits.ts'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import type { Said } from '../../formats/ingest-format.ts'
import {
  type Claim,
  type Idempotency,
  type IdempotentRequest,
  type Lease,
  waitForLease,
} from '../idempotency.ts'
import type { RedisClient } from './redis.ts'
import { type EnterReply, readEntered } from './redis-rate-limiter.ts'
import { ENTER, LEAVE } from './scripts.ts'

/** Leases and answers in Redis: of every edge, and forgotten when their time is over. */
export function createUpstashIdempotency(redis: RedisClient): Idempotency {
  return {
    async claim(request, now) {
      const token = crypto.randomUUID()
      const key = claimKey(request)
      const args = [now, 0, 0, 0, ...claimArgs(request, token)]
      const reply = await redis.run(ENTER, [key, key, key], args)
      return claimFrom(redis, readEntered(reply), request, token, now) as Claim
    },
  }
}

export function claimKey({ tenant, key }: IdempotentRequest): string {
  return REDIS_KEYS.idempotencyKey(tenant, key)
}

/** The last four of ENTER's arguments. @param token of a lease that nobody else can name */
export function claimArgs({ fingerprint }: IdempotentRequest, token: string): (string | number)[] {
  return [fingerprint, token, LIMITS.idempotencyLeaseMs, LIMITS.idempotencyResultMs]
}

const said = z.object({ status: z.number(), body: z.string(), type: z.optional(z.string()) })

export function claimFrom(
  redis: RedisClient,
  [, , , , , , is, text, leased, until]: EnterReply,
  request: IdempotentRequest,
  token: string,
  now: number,
): Claim | undefined {
  if (is === '') return undefined
  if (is === 'other-body') return { is }
  if (is === 'in-flight') return { is, waitMs: waitForLease(leased, until, now) }
  if (is === 'done') return { is, said: said.parse(text) }
  return leaseOf(redis, request, token, now, text === '' ? undefined : said.parse(text))
}

function leaseOf(
  redis: RedisClient,
  request: IdempotentRequest,
  token: string,
  leasedAt: number,
  kept: Said | undefined,
): Lease {
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
    await redis.run(LEAVE, [claimKey(request)], [token, held ? 1 : 0, ms + CLEAR_UP_MS, ...all])
  }

  async function leave(name: 'said' | 'kept', left: Said, at: number, held = false) {
    if (left.body.length > LIMITS.redisResponseCharsMax) return drop()
    const ms = LIMITS.idempotencyResultMs
    await put(held, at + ms, ms, { [name]: JSON.stringify(left) })
  }

  async function drop() {
    await redis.run(LEAVE, [claimKey(request)], [token, 1, ''])
  }

  return {
    is: 'ours',
    kept,
    finish: (said, now) => leave('said', said, now),
    keep: (progress, now) => leave('kept', progress, now),
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
