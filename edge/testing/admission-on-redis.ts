import { createRedis } from '../admission/redis/redis.ts'
import { createUpstashGate } from '../admission/redis/redis-admission.ts'
import { createHttpKeyDirectory } from '../auth/key-directory.ts'
import { createUpstashKeyDirectory } from '../auth/redis-key-directory.ts'
import type { Exchange } from '../lib/timeout.ts'
import { serveGate } from './remote-admission.ts'

/** Where Redis and core are found. */
export const GATE_PLACES = [
  'REDIS_URL_REST',
  'REDIS_TOKEN',
  'GATEWAY_URL',
  'GATEWAY_USERNAME',
  'GATEWAY_PASSWORD',
] as const
export type GatePlaces = Record<(typeof GATE_PLACES)[number], string>

/** What is not about time has plenty of it on a busy machine. */
const REDIS_MS_MAX = 10_000

/** Gate and directory as the edge puts them together where it has a Redis. */
export function gateOnRedis(places: GatePlaces, exchange: Exchange) {
  const { REDIS_URL_REST: url, REDIS_TOKEN: token } = places
  const redis = createRedis({ url, token, msMax: REDIS_MS_MAX }, exchange)
  const core = {
    url: places.GATEWAY_URL,
    username: places.GATEWAY_USERNAME,
    password: places.GATEWAY_PASSWORD,
  }
  return {
    gate: createUpstashGate(redis, true),
    directory: createUpstashKeyDirectory(redis, createHttpKeyDirectory(core, exchange), () =>
      Date.now(),
    ),
  }
}

export function openGate(places: GatePlaces, exchange: Exchange) {
  const { gate, directory } = gateOnRedis(places, exchange)
  return serveGate(gate, directory)
}
