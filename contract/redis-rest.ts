import type { TrustClass } from './event/trust-class.ts'

/** The part of Upstash's REST-Redis protocol in use: `POST /` with a command, the other paths with an array of commands. */
export const REDIS_PATHS = {
  command: '/',
  pipeline: '/pipeline',
  transaction: '/multi-exec',
} as const

/** A command and its arguments; numbers and booleans are sent as Redis formats them. */
export type RedisCommand = readonly (string | number | boolean)[]

/** One reply for each command. Strings are base64 when the request had `Upstash-Encoding: base64`. */
export type RedisReply = { result: RedisResult } | { error: string }
export type RedisResult = string | number | null | RedisResult[]

/** The keys in Redis. The braces keep a tenant's keys on one node of a cluster. */
export const REDIS_KEYS = {
  bucket: (tenant: string, keyId: string) => `sluice:{${tenant}}:bucket:${keyId}`,
  window: (tenant: string) => `sluice:{${tenant}}:window`,
  idempotencyKey: (tenant: string, trust: TrustClass, idempotencyKey: string) =>
    `sluice:{${tenant}}:${trust === 'public' ? 'public-claim' : 'claim'}:${idempotencyKey}`,
  /** Unknown API keys by address; the library adds the address and the window. */
  unknownKeys: 'sluice:unknown-keys',
  /** Attempts to sign in by address; likewise. */
  signIns: 'sluice:sign-ins',
  /** A KeyRecord as JSON, written by core. */
  apiKey: (sha256Hex: string) => `sluice:key:${sha256Hex}`,
  /** Milliseconds since the epoch: every key change up to this time is in Redis. */
  apiKeysAsOf: 'sluice:keys:as-of',
  /** What of Postgres the keys in Redis hold, as core left it. */
  apiKeysState: 'sluice:keys:state',
  /** The core process that writes the keys. */
  apiKeysWriter: 'sluice:keys:writer',
  /** The result cache, and the three keys that bound it. */
  cachedResult: (of: string) => `sluice:{answers}:${of}`,
  cachedResultsByExpiry: 'sluice:{answers}-by-end',
  cachedResultSizes: 'sluice:{answers}-sizes',
  cachedResultsBytes: 'sluice:{answers}-bytes',
} as const
