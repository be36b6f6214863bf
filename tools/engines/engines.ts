import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../../core/lib/usage-error.ts'
import { createLifecycle } from '../../core/lifecycle.ts'
import { createTopics } from '../../core/log/open.ts'
import { startPostgresServer } from '../postgres/postgres-server.ts'
import { findFreePort, findFreeServicePort } from '../process/ports.ts'
import type { SupervisedProcess } from '../process/supervised-process.ts'
import { createKafkaEngine, type KafkaPorts } from './kafka.ts'
import { ensureKafkaJars } from './kafka-jars.ts'
import { createRedisEngine, redisBridgeUrl } from './redis.ts'
import { describeMissing, missingTools } from './tools.ts'

/** The engines that production runs, as child processes: each ends with this process, however that ends. */
export interface Engines {
  kafka: KafkaHandle | undefined
  redis: RedisHandle | undefined
  postgres: { url: string; readonly pid: number } | undefined
  ports: EnginePorts
  stop(): Promise<void>
}

export interface KafkaHandle {
  /** host:port of each */
  brokers: string[]
  readonly pids: (number | undefined)[]
  /** Each can be stopped, killed and started. */
  nodes: SupervisedProcess[]
}

export interface RedisHandle extends Pick<SupervisedProcess, 'start' | 'stop' | 'kill'> {
  url: string
  /** As the user of edges. */
  bridgeUrl: string
  readonly pid: number | undefined
}

export interface EnginesOptions {
  /** A folder; created if missing. The next start on it finds the data again. */
  home: string
  kafka?: {
    brokers: number
    /** Whether to create the topics of contract/log/topics.ts; true unless set */
    topics?: boolean
  }
  redis?: boolean
  postgres?: boolean
  /** Ports to try first; any free ones otherwise. */
  ports?: Partial<EnginePorts>
  onStep?: (step: string) => void
  /** Called when one ended by itself and is restarted; without it Redis and Kafka stay down until `start()`. */
  onRestart?: (message: string) => void
}

export interface EnginePorts {
  kafka: KafkaPorts[]
  redis: number
  postgres: number
}

/** An engine that takes longer to stop is reported as failed. */
const STEP_MS_MAX = 20_000

/** @throws UsageError that names the missing program and the command that installs it */
export async function startEngines(options: EnginesOptions): Promise<Engines> {
  const { home, kafka, redis = false, postgres = false, onStep = () => {}, onRestart } = options
  const missing = missingTools({ kafka: kafka !== undefined, redis })
  if (missing.length > 0) throw new UsageError(...describeMissing(missing))
  mkdirSync(home, { recursive: true })
  const ports = await findPorts(options)
  const lifecycle = createLifecycle({ stepMsMax: STEP_MS_MAX, totalMsMax: 3 * STEP_MS_MAX })
  const engines: Engines = {
    kafka: undefined,
    redis: undefined,
    postgres: undefined,
    ports,
    stop: () => lifecycle.stop(),
  }
  try {
    if (postgres) {
      onStep('Starting Postgres')
      const server = await startPostgresServer({
        home: join(home, 'postgres'),
        port: ports.postgres,
        log: onRestart,
      })
      lifecycle.onStop('Postgres', () => server.stop())
      engines.postgres = server
    }
    if (redis) {
      onStep('Starting Redis')
      const server = createRedisEngine({ home: join(home, 'redis'), port: ports.redis, onRestart })
      lifecycle.onStop('Redis', () => server.stop())
      await server.start()
      engines.redis = redisHandle(
        server,
        ports.redis,
        redisBridgeUrl(join(home, 'redis'), ports.redis),
      )
    }
    if (kafka) {
      const jars = await ensureKafkaJars(onStep)
      onStep('Starting Kafka')
      // Clusters of different size share no data: their voters are fixed when they are created.
      const folder = join(home, kafka.brokers === 1 ? 'kafka' : `kafka-${kafka.brokers}`)
      const cluster = createKafkaEngine({ home: folder, jars, ports: ports.kafka, onRestart })
      lifecycle.onStop('Kafka', () => cluster.stop())
      await cluster.start()
      if (kafka.topics !== false) await createTopics(logConfig(cluster.brokers))
      engines.kafka = {
        brokers: cluster.brokers,
        nodes: cluster.nodes,
        get pids() {
          return cluster.nodes.map(({ pid }) => pid)
        },
      }
    }
    return engines
  } catch (error) {
    await lifecycle.stop().catch(() => {})
    throw error
  }
}

function redisHandle(server: SupervisedProcess, port: number, bridgeUrl: string): RedisHandle {
  return {
    url: `redis://127.0.0.1:${port}`,
    bridgeUrl,
    get pid() {
      return server.pid
    },
    start: () => server.start(),
    stop: () => server.stop(),
    kill: () => server.kill(),
  }
}

async function findPorts({ kafka, ports = {} }: EnginesOptions): Promise<EnginePorts> {
  const taken = new Set<number>()
  async function free(wanted: number | undefined): Promise<number> {
    for (;;) {
      const port = await (wanted ? findFreePort(wanted) : findFreeServicePort())
      if (!taken.has(port)) {
        taken.add(port)
        return port
      }
      if (wanted) wanted++
    }
  }
  const found: EnginePorts = {
    kafka: [],
    redis: await free(ports.redis),
    postgres: await free(ports.postgres),
  }
  for (let i = 0; i < (kafka?.brokers ?? 0); i++)
    found.kafka.push({
      broker: await free(ports.kafka?.[i]?.broker),
      controller: await free(ports.kafka?.[i]?.controller),
    })
  return found
}

function logConfig(brokers: string[]) {
  return {
    kind: 'kafka',
    brokers,
    username: undefined,
    password: undefined,
    mechanism: 'plain',
    tls: false,
    prefix: '',
  } as const
}
