import { createRedis } from '../admission/redis/redis.ts'
import { createRedisAdmission } from '../admission/redis/redis-admission.ts'
import { createHttpKeyDirectory } from '../auth/key-directory.ts'
import { createRedisKeyDirectory } from '../auth/redis-key-directory.ts'
import type { TimeoutStrategy } from '../lib/timeout.ts'
import { serveGate } from './remote-admission.ts'

/** Where Redis and core are found. */
export const GATE_PLACES = [
  'SLUICE_REDIS_REST_URL',
  'SLUICE_REDIS_TOKEN',
  'SLUICE_GATEWAY_URL',
  'SLUICE_GATEWAY_USERNAME',
  'SLUICE_GATEWAY_PASSWORD',
] as const
export type GatePlaces = Record<(typeof GATE_PLACES)[number], string>

/** What is not about time has plenty of it on a busy machine. */
const SLUICE_REDIS_TIMEOUT_MS = 10_000

/** Gate and directory as the edge puts them together where it has a Redis. */
export function gateOnRedis(places: GatePlaces, exchange: TimeoutStrategy) {
  const { SLUICE_REDIS_REST_URL: url, SLUICE_REDIS_TOKEN: token } = places
  const redis = createRedis({ url, token, msMax: SLUICE_REDIS_TIMEOUT_MS }, exchange)
  const core = {
    url: places.SLUICE_GATEWAY_URL,
    username: places.SLUICE_GATEWAY_USERNAME,
    password: places.SLUICE_GATEWAY_PASSWORD,
  }
  return {
    gate: createRedisAdmission(redis, true),
    directory: createRedisKeyDirectory(redis, createHttpKeyDirectory(core, exchange), () =>
      Date.now(),
    ),
  }
}

export function openGate(places: GatePlaces, exchange: TimeoutStrategy) {
  const { gate, directory } = gateOnRedis(places, exchange)
  return serveGate(gate, directory)
}
