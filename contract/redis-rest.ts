/** Upstash's REST-Redis protocol, as far as we speak it: `POST /` with a command, the others with an array of them. */
export const REDIS_PATHS = {
  command: '/',
  pipeline: '/pipeline',
  transaction: '/multi-exec',
} as const

/** What a command becomes; numbers and booleans are written as Redis writes them. */
export type RedisCommand = readonly (string | number | boolean)[]

/** One for each command. Strings are base64 when the request said `Upstash-Encoding: base64`. */
export type RedisReply = { result: RedisResult } | { error: string }
export type RedisResult = string | number | null | RedisResult[]

/** Where things lie in Redis. The braces keep all of a tenant on one node of a cluster. */
export const REDIS_KEYS = {
  bucket: (tenant: string, keyId: string) => `sluice:{${tenant}}:bucket:${keyId}`,
  window: (tenant: string) => `sluice:{${tenant}}:window`,
  idempotencyKey: (tenant: string, idempotencyKey: string) =>
    `sluice:{${tenant}}:claim:${idempotencyKey}`,
  /** A KeyRecord as JSON, as core has put it there. */
  apiKey: (sha256Hex: string) => `sluice:key:${sha256Hex}`,
  /** Until when, in milliseconds since the epoch, every change of a key has found its way there. */
  apiKeysAsOf: 'sluice:keys:as-of',
  /** Which core writes them. */
  apiKeysWriter: 'sluice:keys:writer',
  /** Of GraphQL; with the three that bound them. */
  cachedResult: (of: string) => `sluice:{answers}:${of}`,
  cachedResultsByExpiry: 'sluice:{answers}-by-end',
  cachedResultSizes: 'sluice:{answers}-sizes',
  cachedResultsBytes: 'sluice:{answers}-bytes',
} as const
