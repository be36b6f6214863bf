import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig } from '../../core/config.ts'
import { createDatabase } from '../../core/db/database.ts'
import { migrate } from '../../core/db/migrate.ts'
import { GATEWAY_USER } from '../../core/gateway/users.ts'
import { createKey } from '../../core/identity/api-keys.ts'
import { createTenant } from '../../core/identity/tenants.ts'
import type { Log } from '../../core/log/log.ts'
import { openLog } from '../../core/log/open.ts'
import { startEdgeProcess } from '../../local/edge-process.ts'
import { buildAll } from '../../tools/build.ts'
import { type Engines, startEngines } from '../../tools/engines/engines.ts'
import { findFreeServicePort } from '../../tools/process/ports.ts'
import { attachWatchdog } from '../../tools/process/watchdog.ts'
import { type CoreProcess, SLUICE_GATEWAY_PASSWORD, startCore } from './core-process.ts'

export interface FleetOptions {
  onRestart?: (why: string) => void
  /** What accepts events. Default: workerd. */
  edge?: 'workerd' | 'collector'
}

/**
 * Sluice as teams run it: Kafka, Redis and Postgres of its own, a gateway (with the API), two workers and an edge in workerd or a
 * collector, each a process that is started again when it ends, as an orchestrator would.
 */
export interface Fleet {
  engines: Engines
  databaseUrl: string
  edgeUrl: string
  /** Of the gateway, which answers GraphQL and /metrics too. */
  coreUrl: string
  /** The test's own way into the log. */
  log: Log
  members: Record<MemberName, Member>
  /** @returns a key to write with, without limits */
  newTenant(name: string): Promise<string>
  stop(): Promise<void>
}

export const MEMBERS = [
  'worker 1',
  'worker 2',
  'gateway',
  'edge',
  'broker',
  'redis',
  'postgres',
] as const
export type MemberName = (typeof MEMBERS)[number]

export interface Member {
  /** undefined while it is down */
  readonly pid: number | undefined
  /** With SIGKILL; nothing else needs to be done for it to come back. @returns whether it was up */
  kill(): boolean
}

const SLUICE_REDIS_TOKEN = 'a-redis-token-for-tests'
const RESTART_MS = 250
const GENEROUS = 1_000_000_000

export async function startFleet({
  onRestart = () => {},
  edge: edgeKind = 'workerd',
}: FleetOptions = {}): Promise<Fleet> {
  const home = mkdtempSync(join(tmpdir(), 'sluice-fleet-'))
  const stops: (() => Promise<unknown>)[] = [
    async () => rmSync(home, { recursive: true, force: true }),
  ]
  const stop = async () => {
    for (const each of stops.reverse()) await each()
  }
  try {
    const engines = await startEngines({
      home,
      kafka: { brokers: 1 },
      redis: true,
      postgres: true,
      onRestart,
    })
    stops.push(() => engines.stop())
    const { kafka, redis, postgres } = engines
    if (!kafka || !redis || !postgres) throw new Error('an engine is missing')
    const databaseUrl = postgres.url
    await Promise.all([migrate(databaseUrl), buildAll()])

    const port = String(await findFreeServicePort())
    const env = {
      SLUICE_LOG_DRIVER: 'kafka',
      KAFKA_BROKERS: kafka.brokers.join(','),
      REDIS_URL: redis.url,
      SLUICE_REDIS_BRIDGE_URL: redis.bridgeUrl,
      SLUICE_REDIS_TOKEN: SLUICE_REDIS_TOKEN,
      // The line 'ready' is logged at this level.
      SLUICE_LOG_LEVEL: 'info',
    }
    const gateway = await keep('the gateway', () =>
      startCore({ roles: ['api', 'gateway'], databaseUrl, env: { ...env, PORT: port } }),
    )
    const workers = await Promise.all(
      [1, 2].map((n) =>
        keep(`worker ${n}`, () => startCore({ roles: ['worker'], databaseUrl, env })),
      ),
    )
    const coreUrl = `http://127.0.0.1:${port}`
    const edgePort = await findFreeServicePort()
    const toGateway = {
      SLUICE_GATEWAY_URL: `${coreUrl}/gateway`,
      SLUICE_GATEWAY_USERNAME: GATEWAY_USER,
      SLUICE_GATEWAY_PASSWORD,
      SLUICE_EDGE_NAME: 'fleet',
    }
    // As compose runs it: without a password of the database.
    const startCollector = () =>
      startCore({
        roles: ['collector'],
        databaseUrl: '',
        env: { ...env, ...toGateway, SLUICE_COLLECTOR_PORT: String(edgePort) },
      })
    const edge = await (edgeKind === 'collector'
      ? keep('the collector', startCollector)
      : startWorkerd(edgePort, {
          ...toGateway,
          SLUICE_REDIS_REST_URL: `${coreUrl}/redis`,
          SLUICE_REDIS_TOKEN,
        }))
    const log = await openLog(readConfig(env).log, databaseUrl)
    stops.push(() => log.close())
    return {
      engines,
      databaseUrl,
      edgeUrl: `http://127.0.0.1:${edgePort}`,
      coreUrl,
      log,
      members: {
        gateway: member(() => gateway.pid),
        'worker 1': member(() => workers[0]?.pid),
        'worker 2': member(() => workers[1]?.pid),
        edge: member(() => edge.pid),
        broker: member(() => kafka.pids[0]),
        redis: member(() => redis.pid),
        postgres: member(() => postgres.pid),
      },
      newTenant: (name) => newTenant(databaseUrl, name),
      stop,
    }
  } catch (error) {
    await stop().catch(() => {})
    throw error
  }

  async function startWorkerd(port: number, bindings: Record<string, string>) {
    const edgeHome = join(home, 'edge')
    mkdirSync(edgeHome)
    const edge = await startEdgeProcess({ home: edgeHome, port, bindings, onRestart })
    stops.push(() => edge.stop())
    return edge
  }

  /** Starts it again whenever it ends, until the fleet stops. */
  async function keep(name: string, start: () => Promise<CoreProcess>) {
    let stopping = false
    let running: CoreProcess | undefined = await start()
    watch(running)

    function watch(process: CoreProcess): void {
      // Where the test itself is killed nothing stays behind.
      const callOff = attachWatchdog(process.pid, 'TERM')
      process.process.once('exit', async (code, signal) => {
        callOff()
        running = undefined
        let why = `${name} ended (${signal ?? code})${signal ? '' : `: ${process.output()}`}`
        while (!stopping && !running) {
          onRestart(why)
          try {
            const next = await start()
            if (stopping) await next.stop('SIGKILL')
            else {
              running = next
              watch(next)
            }
          } catch (error) {
            why = (error as Error).message
            await sleep(RESTART_MS)
          }
        }
      })
    }
    stops.push(async () => {
      stopping = true
      await running?.stop('SIGKILL')
    })
    return {
      get pid() {
        return running?.pid
      },
    }
  }
}

function member(pidOf: () => number | undefined): Member {
  return {
    get pid() {
      return pidOf()
    },
    kill() {
      const pid = pidOf()
      if (pid === undefined) return false
      try {
        return process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended, and comes back.
        return false
      }
    },
  }
}

async function newTenant(databaseUrl: string, tenant: string): Promise<string> {
  const db = createDatabase(databaseUrl, { max: 1 })
  try {
    await createTenant(db, { tenant, eventsPerMinute: GENEROUS })
    const wanted = { tenant, name: 'fleet', eventsPerMinute: GENEROUS }
    return (await createKey(db, { ...wanted, scopes: ['ingest'] })).key
  } finally {
    await db.destroy()
  }
}
