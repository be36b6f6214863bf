import { connect } from 'node:net'
import pg from 'pg'
import { brokersSeenBy } from './kafka-metadata.ts'
import type { EnginesState } from './state.ts'

const ANSWER_MS_MAX = 2_000

/** Asks each engine something small; one that says nothing in 2 s does not answer. */
export async function whatAnswers(state: EnginesState): Promise<Record<string, boolean>> {
  const [postgres, redis, ...kafka] = await Promise.all([
    postgresAnswers(state.database_url),
    redisAnswers(portOf(state.redis_url)),
    ...state.kafka_brokers.map(async (broker) => (await brokersSeenBy(portOf(broker))).length > 0),
  ])
  return { Postgres: postgres, Redis: redis, Kafka: kafka.every(Boolean) }
}

export function redisAnswers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const end = (answers: boolean) => {
      socket.destroy()
      resolve(answers)
    }
    // While it loads its file it answers -LOADING.
    socket.once('data', (bytes) => end(bytes.toString().startsWith('+PONG')))
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
    socket.setTimeout(ANSWER_MS_MAX, () => end(false))
  })
}

async function postgresAnswers(url: string): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: ANSWER_MS_MAX,
    query_timeout: ANSWER_MS_MAX,
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

function portOf(place: string): number {
  return Number(/:(\d+)$/.exec(place)?.[1])
}
