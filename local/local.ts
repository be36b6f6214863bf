import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { createDatabase } from '../core/db/database.ts'
import { migrate } from '../core/db/migrate.ts'
import { GATEWAY_USER } from '../core/gateway/users.ts'
import { mintLoginLink } from '../core/identity/sessions.ts'
import { DASHBOARD_FOLDER, ROOT } from '../core/lib/paths.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { createLifecycle, type Lifecycle } from '../core/lifecycle.ts'
import {
  createLogger,
  ROLES,
  type Services,
  startServices,
  waitUntilDrained,
} from '../core/roles.ts'
import { buildAll } from '../tools/build.ts'
import { startDemo } from '../tools/demo/demo.ts'
import { startPostgresServer } from '../tools/postgres/postgres-server.ts'
import { lockHome, unlockHome } from '../tools/process/home-lock.ts'
import { findFreePort } from '../tools/process/ports.ts'
import { commandLine, startStamp, stopProcess } from '../tools/process/processes.ts'
import { EDGE_STOP_STEPS, edgeConfigPath, startEdgeProcess } from './edge-process.ts'
import { findRunning, type RunFile, readRunFile, removeRunFile, writeRunFile } from './run-file.ts'
import { ensureSecrets, type Secrets } from './secrets.ts'

/**
 * The whole of Sluice on one machine: a real Postgres, core in this process, the edge in a real workerd
 * beside it. What a start finds of a killed predecessor it clears away, and goes on with its data.
 */
export interface EmbeddedOptions {
  home: string
  edgePort: number
  corePort: number
  demo: boolean
  /** Of the demo traffic: the same seed, the same people and pages. */
  seed: number
  logLevel: string
  retentionDays: number | undefined
  /** Progress for a person, one line a step. */
  onStep: (step: string) => void
  /** Events are missing from the log, or the worker has ended; everything else goes on. */
  onAlarm: (message: string, what: 'gap' | 'worker') => void
}

export interface EmbeddedSluice {
  run: RunFile & { login_url: string }
  /** Ports that were taken, as sentences. */
  notes: string[]
  /** In order: demo traffic, edge, gateway, worker, HTTP, Postgres. */
  stop(): Promise<void>
  /** Ends the children without waiting; the next start recovers. */
  kill(): void
}

export class AlreadyRunningError extends Error {
  readonly run: RunFile

  constructor(run: RunFile) {
    super('Sluice is running on this folder already.')
    this.name = 'AlreadyRunningError'
    this.run = run
  }
}

export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedSluice> {
  const already = findRunning(options.home)
  if (already) throw new AlreadyRunningError(already)
  // Other users may walk through a folder that we make: one of them runs Postgres when root starts us.
  if (mkdirSync(options.home, { recursive: true })) chmodSync(options.home, 0o755)
  const first = lockHome(options.home)
  if (first !== undefined)
    throw new UsageError(
      `Another start on ${options.home} is under way (process ${first}).`,
      'Wait for it; "npx sluice status" tells when it is ready.',
    )
  // What needs Postgres, and Postgres itself; together they end within ten seconds, whatever hangs.
  const parts = createLifecycle({ stepMsMax: 2_500, totalMsMax: 5_000 })
  const ground = createLifecycle({ stepMsMax: POSTGRES_STOP_MS_MAX + 500 })
  ground.onStop('lock', () => unlockHome(options.home))
  const stop = async () => {
    const stopped = [
      await parts.stop().catch((error: AggregateError) => error),
      await ground.stop().catch((error: AggregateError) => error),
    ]
    removeRunFile(options.home)
    const failures = stopped.flatMap((each) => each?.errors ?? [])
    if (failures.length > 0)
      throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
  }
  try {
    return { ...(await startAll(options, { parts, ground })), stop }
  } catch (error) {
    await stop().catch(() => {})
    throw error
  }
}

const POSTGRES_STOP_MS_MAX = 3_500
/** What is not written in this time is in the log, and the next start goes on with it. */
const DRAIN_MS_MAX = 2_000

async function startAll(
  options: EmbeddedOptions,
  { parts, ground }: { parts: Lifecycle; ground: Lifecycle },
): Promise<Omit<EmbeddedSluice, 'stop'>> {
  const { home, onStep } = options
  await stopOrphanedEdge(home)
  const logFile = join(home, 'sluice.log')
  const logger = createLogger(options.logLevel, logFile)
  const [corePort, edgePort] = await Promise.all([
    findFreePort(options.corePort),
    findFreePort(options.edgePort),
  ])

  onStep('Postgres')
  // Building and starting use different cores.
  const building = buildAll()
  building.catch(() => {})
  let run: RunFile | undefined
  const postgres = await startPostgresServer({
    home: join(home, 'postgres'),
    log: (message) => logger.warn({ from: 'postgres' }, message),
    onRestart: (pid) => {
      if (!run) return
      run.postgres_pid = pid
      writeRunFile(home, run)
    },
  })
  ground.onStop('Postgres', () => postgres.stop(POSTGRES_STOP_MS_MAX))
  await migrate(postgres.url, ({ name }) => onStep(`migration ${name}`))
  const secrets = await prepareSecrets(home, postgres.url)

  onStep('core')
  const edgeUrl = `http://127.0.0.1:${edgePort}`
  const services = await startServices({
    roles: ROLES,
    databaseUrl: postgres.url,
    log: { kind: 'postgres' },
    gatewayUsers: [{ name: GATEWAY_USER, password: secrets.gatewayPassword, scope: 'all' }],
    host: '127.0.0.1',
    port: corePort,
    dashboardFolder: DASHBOARD_FOLDER,
    retentionDays: options.retentionDays,
    logger,
    lifecycle: parts,
    firstSteps: () => ({ edgeUrl, tenant: 'default', writeKey: secrets.writeKey }),
    onGap: (gap) => options.onAlarm(gap.message, 'gap'),
    onWorkerEnd: (error) => options.onAlarm(String(error), 'worker'),
  })
  parts.onStop('draining', () => waitUntilDrained(services.db, services.log, DRAIN_MS_MAX))
  const coreUrl = services.served?.url ?? ''

  onStep('edge')
  await building
  const bindings = {
    SLUICE_GATEWAY_URL: `${coreUrl}/gateway`,
    SLUICE_GATEWAY_USERNAME: GATEWAY_USER,
    SLUICE_GATEWAY_PASSWORD: secrets.gatewayPassword,
    SLUICE_EDGE_NAME: 'local',
  }
  const edge = await startEdgeProcess({
    home,
    port: edgePort,
    // This edge listens to its own machine alone, so its page may have a key in it; no other edge gets one.
    bindings: { ...bindings, SLUICE_DOCS_KEY: secrets.docsKey },
    onRestart: (why, pid) => {
      logger.warn({ why, pid }, 'the edge was started again')
      if (!run) return
      run.edge_pid = pid
      writeRunFile(home, run)
    },
  })
  parts.onStop('edge', () => edge.stop())

  run = {
    edge_url: edgeUrl,
    core_url: coreUrl,
    graphql_url: `${coreUrl}/graphql`,
    dashboard_url: `${coreUrl}/`,
    gateway_url: `${coreUrl}/gateway`,
    database_url: postgres.url,
    write_key: secrets.writeKey,
    read_key: secrets.readKey,
    log: 'postgres',
    log_file: logFile,
    pid: process.pid,
    pid_stamp: startStamp(process.pid),
    edge_pid: edge.pid,
    postgres_pid: postgres.pid,
    started_at: new Date().toISOString(),
  }
  writeRunFile(home, run)
  writeDevVars(home, bindings)
  startDemoTraffic(options, parts, edgeUrl, secrets, logger)
  return {
    run: { ...run, login_url: await loginUrl(services, coreUrl) },
    notes: [
      ...portNote('edge', options.edgePort, edgePort),
      ...portNote('core', options.corePort, corePort),
    ],
    kill() {
      signal(edge.pid, 'SIGKILL')
      // Immediate shutdown: it takes its own children with it.
      signal(postgres.pid, 'SIGQUIT')
    },
  }
}

function startDemoTraffic(
  options: EmbeddedOptions,
  lifecycle: Lifecycle,
  edgeUrl: string,
  secrets: Secrets,
  logger: Logger,
): void {
  const demo = startDemo({
    edgeUrl,
    key: secrets.demoKey,
    seed: options.seed,
    switchFile: join(options.home, 'demo'),
    onAtStart: options.demo,
    onTrouble: (what) => logger.warn({ from: 'demo' }, what),
  })
  lifecycle.onStop('demo traffic', () => demo.stop())
}

/** A one-time link; the dashboard behind it shows the first tenant. */
async function loginUrl({ db }: Services, coreUrl: string): Promise<string> {
  return `${coreUrl}/login?token=${await mintLoginLink(db)}`
}

async function prepareSecrets(home: string, url: string): Promise<Secrets> {
  const db = createDatabase(url, { max: 1 })
  try {
    return await ensureSecrets(home, db)
  } finally {
    await db.destroy()
  }
}

/** For `wrangler dev` and `deno task edge`: the same edge against the core that runs. */
function writeDevVars(home: string, bindings: Record<string, string>): void {
  // Only for the folder that belongs to this checkout: a second home must not take it over.
  if (home !== join(ROOT, '.sluice') && existsSync(join(ROOT, '.dev.vars'))) return
  const lines = Object.entries(bindings).map(([name, value]) => `${name}="${value}"`)
  writeFileSync(join(ROOT, '.dev.vars'), `${lines.join('\n')}\n`, { mode: 0o600 })
}

/** A workerd of this home that outlived a killed parent still holds its port. */
async function stopOrphanedEdge(home: string): Promise<void> {
  const pid = readRunFile(home)?.edge_pid
  if (pid && commandLine(pid).includes(edgeConfigPath(home)))
    await stopProcess(pid, EDGE_STOP_STEPS)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended already.
  }
}

function portNote(what: string, wanted: number, got: number): string[] {
  return wanted === 0 || wanted === got ? [] : [`Port ${wanted} is taken; the ${what} uses ${got}.`]
}
