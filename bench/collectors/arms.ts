import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TOPICS } from '../../contract/log/topics.ts'
import { readConfig } from '../../core/config.ts'
import { migrate } from '../../core/db/migrate.ts'
import { GATEWAY_USER } from '../../core/gateway/users.ts'
import { openLog } from '../../core/log/open.ts'
import { ROLES, type Role } from '../../core/roles.ts'
import { startEdgeProcess } from '../../local/edge-process.ts'
import { SLUICE_GATEWAY_PASSWORD, startCore } from '../../tests/lib/core-process.ts'
import { createTestHome } from '../../tests/lib/sluice.ts'
import { buildAll } from '../../tools/build.ts'
import { startEngines } from '../../tools/engines/engines.ts'
import { findFreeServicePort } from '../../tools/process/ports.ts'
import { createTenants } from '../k6/system.ts'
import { countInEvents, countInLog } from './count.ts'
import type { EventSeries } from './event.ts'
import { startGoCollector, startNodeCollector } from './peers.ts'

/** A running collector and what its requests cost. */
export interface Arm {
  /** Of the edge or the collector, without a path. */
  url: string
  key: string
  /** Processes that work for it. */
  processes: Record<string, number>
  /** Waits until the events are where the arm puts them. @returns how often each number below `end` is there */
  count(events: EventSeries, end: number): Promise<Uint8Array>
  stop(): Promise<unknown>
}

/** What all arms share: one Kafka broker, and Redis and Postgres for those of Sluice. */
export interface Shared {
  /** Starts an arm with new processes. */
  start(name: ArmName): Promise<Arm>
  stop(): Promise<void>
}

/** A role of core that runs the edge in its process. */
const COLLECTOR: string = 'collector'
const ALL = ['go', 'node', 'workerd', 'collector', 'embedded', 'embedded-collector'] as const
export type ArmName = (typeof ALL)[number]
export const ARMS: readonly ArmName[] = ALL.filter(
  (name) => !name.endsWith(COLLECTOR) || ROLES.includes(COLLECTOR as Role),
)

const REDIS_TOKEN = 'a-redis-token-for-benchmarks'

export async function startShared(onStep: (step: string) => void): Promise<Shared> {
  const home = mkdtempSync(join(tmpdir(), 'sluice-collectors-'))
  const removeHome = () => rmSync(home, { recursive: true, force: true })
  const engines = await startEngines({
    home,
    kafka: { brokers: 1 },
    redis: true,
    postgres: true,
    onStep,
  }).catch((error) => {
    removeHome()
    throw error
  })
  const { kafka, redis, postgres } = engines
  if (!kafka || !redis || !postgres) throw new Error('an engine is missing')
  const databaseUrl = postgres.url
  const coreEnv = {
    SLUICE_LOG_DRIVER: 'kafka',
    KAFKA_BROKERS: kafka.brokers.join(','),
    REDIS_URL: redis.url,
    SLUICE_REDIS_BRIDGE_URL: redis.bridgeUrl,
    SLUICE_REDIS_TOKEN: REDIS_TOKEN,
  }
  await Promise.all([migrate(databaseUrl), buildAll()])
  const [tenant] = await createTenants(databaseUrl, 1)
  const key = tenant?.writeKey ?? ''
  const log = await openLog(readConfig(coreEnv).log, databaseUrl)
  const broker = { broker: kafka.pids[0] as number }
  const engineProcesses = { ...broker, redis: redis.pid as number, postgres: postgres.pid }
  const peer = { brokers: kafka.brokers, topic: TOPICS.raw.name, key }

  /** For the arms on Kafka: what is in the log from now on. */
  async function inKafka(arm: Omit<Arm, 'key' | 'count'>): Promise<Arm> {
    const before = await log.offsets(TOPICS.raw.name)
    return { ...arm, key, count: (events, end) => countInLog(log, before, events, end) }
  }

  const starts: Record<ArmName, () => Promise<Arm>> = {
    async go() {
      const { pid, ...go } = await startGoCollector(peer, onStep)
      return inKafka({ ...go, processes: { collector: pid, ...broker } })
    },
    async node() {
      const { pid, ...node } = await startNodeCollector(peer)
      return inKafka({ ...node, processes: { collector: pid, ...broker } })
    },
    async workerd() {
      const gateway = await startCore({ roles: ['gateway'], databaseUrl, env: coreEnv })
      const edgeHome = mkdtempSync(join(home, 'edge-'))
      const port = await findFreeServicePort()
      const edge = await startEdgeProcess({
        home: edgeHome,
        port,
        bindings: {
          SLUICE_GATEWAY_URL: `${gateway.url}/gateway`,
          SLUICE_GATEWAY_USERNAME: GATEWAY_USER,
          SLUICE_GATEWAY_PASSWORD,
          SLUICE_REDIS_REST_URL: `${gateway.url}/redis`,
          SLUICE_REDIS_TOKEN: REDIS_TOKEN,
          SLUICE_EDGE_NAME: 'bench',
        },
        onRestart: onStep,
      })
      return inKafka({
        url: `http://127.0.0.1:${port}`,
        processes: { edge: edge.pid, gateway: gateway.pid, ...engineProcesses },
        stop: async () => [await edge.stop(), await gateway.stop()],
      })
    },
    async collector() {
      const port = await findFreeServicePort()
      const env = { ...coreEnv, SLUICE_COLLECTOR_PORT: String(port), SLUICE_EDGE_NAME: 'bench' }
      const core = await startCore({ roles: [COLLECTOR as Role], databaseUrl, env })
      return inKafka({
        url: `http://127.0.0.1:${port}`,
        processes: { collector: core.pid, ...engineProcesses },
        stop: () => core.stop(),
      })
    },
    embedded: () => startEmbedded('workerd'),
    'embedded-collector': () => startEmbedded('collector'),
  }
  return {
    start: (name) => starts[name](),
    async stop() {
      await log.close()
      await engines.stop()
      removeHome()
    },
  }
}

/** As `npm start` runs it, with the log in Postgres; the events are counted where the worker stores them. */
async function startEmbedded(edge: 'workerd' | 'collector'): Promise<Arm> {
  const home = createTestHome({ SLUICE_EDGE: edge })
  const { run } = await home.start('--no-demo').catch(async (error) => {
    await home.remove()
    throw error
  })
  return {
    url: run.edge_url,
    key: run.write_key,
    processes: { edge: run.edge_pid, core: run.core_pid, postgres: run.postgres_pid },
    count: (events, end) => countInEvents(run.database_url, events, end),
    stop: () => home.remove(),
  }
}
