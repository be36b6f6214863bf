import pg from 'pg'
import { brokersSeenBy } from './kafka-metadata.ts'
import { isRedisReady } from './redis.ts'
import type { EnginesState } from './state.ts'

const PROBE_MS_MAX = 2_000

/** Whether each engine replies to a small request within 2 s. */
export async function probeEngines(state: EnginesState): Promise<Record<string, boolean>> {
  const [postgres, redis, ...kafka] = await Promise.all([
    isPostgresReady(state.database_url),
    isRedisReady(portOf(state.redis_url)),
    ...state.kafka_brokers.map(async (broker) => (await brokersSeenBy(portOf(broker))).length > 0),
  ])
  return { Postgres: postgres, Redis: redis, Kafka: kafka.every(Boolean) }
}

async function isPostgresReady(url: string): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: PROBE_MS_MAX,
    query_timeout: PROBE_MS_MAX,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

/** @param address a URL or host:port */
function portOf(address: string): number {
  return Number(/:(\d+)$/.exec(address)?.[1])
}
