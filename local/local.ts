import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { createDatabase } from '../core/db/database.ts'
import { migrate } from '../core/db/migrate.ts'
import { waitUntilDrained } from '../core/drain.ts'
import { edgeUser } from '../core/gateway/users.ts'
import { loginUrl, mintLoginLink } from '../core/identity/sessions.ts'
import { DASHBOARD_FOLDER } from '../core/lib/paths.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { createLifecycle, type Lifecycle } from '../core/lifecycle.ts'
import { createLogger } from '../core/logger.ts'
import { ROLES, type RunningRoles, startRoles } from '../core/roles.ts'
import { buildAll } from '../tools/build.ts'
import { startDemo } from '../tools/demo/demo.ts'
import { type PostgresServer, startPostgresServer } from '../tools/postgres/postgres-server.ts'
import { lockHome, unlockHome } from '../tools/process/home-lock.ts'
import { findFreePort } from '../tools/process/ports.ts'
import { startStamp } from '../tools/process/processes.ts'
import { type EdgeProcess, startEdgeProcess, stopOrphanedEdge } from './edge-process.ts'
import { createEdgeSettings, writeDevVars } from './edge-settings.ts'
import { findRunning, type RunFile, readRunFile, removeRunFile, writeRunFile } from './run-file.ts'
import { ensureSecrets, type Secrets } from './secrets.ts'

/**
 * The composition root of one machine: a real Postgres, core in this process, the edge in a real workerd.
 * A start removes what a killed predecessor left and continues with its data.
 */
export interface EmbeddedOptions {
  home: string
  edgePort: number
  corePort: number
  demo: boolean
  /** Of the demo traffic: the same seed gives the same people and pages. */
  seed: number
  logLevel: string
  retentionDays: number | undefined
  /** Called once a step, with a few words for a person. */
  onStep: (step: string) => void
  /** Records are missing from the log, or the worker has ended; everything else continues. */
  onAlarm: (message: string, kind: 'offset-gap' | 'worker') => void
}

export interface EmbeddedSluice {
  run: RunFile & { login_url: string }
  /** Sentences about ports that were taken. */
  notes: string[]
  /** In order: demo traffic, edge, gateway, worker, HTTP, Postgres. */
  stop(): Promise<void>
  /** Ends the children without waiting; the next start recovers. */
  kill(): void
}

export class AlreadyRunningError extends Error {
  readonly run: RunFile

  constructor(run: RunFile) {
    super('Sluice is already running on this folder.')
    this.name = 'AlreadyRunningError'
    this.run = run
  }
}

const POSTGRES_STOP_MS_MAX = 3_500
/** What is not stored by then is in the log, and the next start stores it. */
const DRAIN_MS_MAX = 2_000

export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedSluice> {
  const running = findRunning(options.home)
  if (running) throw new AlreadyRunningError(running)
  // Other users may enter a folder that we create: one of them runs Postgres when root starts us.
  if (mkdirSync(options.home, { recursive: true })) chmodSync(options.home, 0o755)
  const owner = lockHome(options.home)
  if (owner !== undefined)
    throw new UsageError(
      `Another start on ${options.home} is under way (process ${owner}).`,
      'Wait until "npx sluice status" shows that it is ready.',
    )
  const lifecycles = createLifecycles(options.home)
  try {
    return { ...(await startAll(options, lifecycles)), stop: lifecycles.stop }
  } catch (error) {
    await lifecycles.stop().catch(() => {})
    throw error
  }
}

interface Lifecycles {
  /** Everything that needs Postgres. */
  parts: Lifecycle
  /** Postgres and the lock. */
  base: Lifecycle
}

/** Both together stop within ten seconds, even when a step hangs. */
function createLifecycles(home: string): Lifecycles & { stop(): Promise<void> } {
  const parts = createLifecycle({ stepMsMax: 2_500, totalMsMax: 5_000 })
  const base = createLifecycle({ stepMsMax: POSTGRES_STOP_MS_MAX + 500 })
  base.onStop('lock', () => unlockHome(home))
  return {
    parts,
    base,
    async stop() {
      const stopped = [
        await parts.stop().catch((error: AggregateError) => error),
        await base.stop().catch((error: AggregateError) => error),
      ]
      removeRunFile(home)
      const failures = stopped.flatMap((failure) => failure?.errors ?? [])
      if (failures.length > 0)
        throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
    },
  }
}

async function startAll(
  options: EmbeddedOptions,
  { parts, base }: Lifecycles,
): Promise<Omit<EmbeddedSluice, 'stop'>> {
  const { home, onStep } = options
  await stopOrphanedEdge(home, readRunFile(home)?.edge_pid)
  const logFile = join(home, 'sluice.log')
  const logger = createLogger(options.logLevel, logFile)
  const [corePort, edgePort] = await Promise.all([
    findFreePort(options.corePort),
    findFreePort(options.edgePort),
  ])
  const edgeUrl = `http://127.0.0.1:${edgePort}`
  let run: RunFile | undefined
  const updateRun = (changes: Partial<RunFile>) => {
    if (!run) return
    Object.assign(run, changes)
    writeRunFile(home, run)
  }

  onStep('Starting Postgres')
  // Building and starting use different cores.
  const building = buildAll()
  building.catch(() => {})
  const postgres = await startPostgres(home, logger, updateRun)
  base.onStop('Postgres', () => postgres.stop(POSTGRES_STOP_MS_MAX))
  await migrate(postgres.url, ({ name }) => onStep(`Applying migration ${name}`))
  const secrets = await prepareSecrets(home, postgres.url)

  onStep('Starting core')
  const core = await startCore(options, { postgres, corePort, edgeUrl, secrets, logger, parts })
  const coreUrl = core.served?.url ?? ''

  onStep('Starting the edge')
  await building
  const settings = createEdgeSettings(coreUrl, secrets.gatewayPassword)
  const edge = await startEdgeProcess({
    home,
    port: edgePort,
    // This edge listens on loopback only, so its page may show a key; no other edge gets one.
    bindings: { ...settings, SLUICE_DOCS_KEY: secrets.docsKey },
    onRestart(reason, pid) {
      logger.warn({ reason, pid }, 'edge ended, it was restarted')
      updateRun({ edge_pid: pid })
    },
  })
  parts.onStop('edge', () => edge.stop())

  run = runOf({ edgeUrl, coreUrl, secrets, logFile, postgres, edge })
  writeRunFile(home, run)
  writeDevVars(home, settings)
  startDemoTraffic(options, parts, edgeUrl, secrets, logger)
  return {
    run: { ...run, login_url: loginUrl(coreUrl, await mintLoginLink(core.db)) },
    notes: [
      ...portNote('edge', options.edgePort, edgePort),
      ...portNote('core', options.corePort, corePort),
    ],
    kill() {
      signal(edge.pid, 'SIGKILL')
      // Immediate shutdown: the postmaster ends its own children.
      signal(postgres.pid, 'SIGQUIT')
    },
  }
}

function startPostgres(
  home: string,
  logger: Logger,
  updateRun: (changes: Partial<RunFile>) => void,
): Promise<PostgresServer> {
  return startPostgresServer({
    home: join(home, 'postgres'),
    log: (message) => logger.warn({ from: 'postgres' }, message),
    onRestart: (pid) => updateRun({ postgres_pid: pid }),
  })
}

interface CoreParts {
  postgres: PostgresServer
  corePort: number
  edgeUrl: string
  secrets: Secrets
  logger: Logger
  parts: Lifecycle
}

async function startCore(
  { retentionDays, onAlarm }: EmbeddedOptions,
  { postgres, corePort, edgeUrl, secrets, logger, parts }: CoreParts,
): Promise<RunningRoles> {
  const core = await startRoles({
    roles: ROLES,
    databaseUrl: postgres.url,
    log: { kind: 'postgres' },
    gatewayUsers: [edgeUser(secrets.gatewayPassword)],
    host: '127.0.0.1',
    port: corePort,
    dashboardFolder: DASHBOARD_FOLDER,
    retentionDays,
    logger,
    lifecycle: parts,
    onboarding: () => ({ edgeUrl, tenant: 'default', writeKey: secrets.writeKey }),
    onOffsetGap: (gap) => onAlarm(gap.message, 'offset-gap'),
    onWorkerEnd: (error) => onAlarm(String(error), 'worker'),
  })
  parts.onStop('worker queue', () => waitUntilDrained(core.db, core.log, DRAIN_MS_MAX))
  return core
}

interface RunParts {
  edgeUrl: string
  coreUrl: string
  secrets: Secrets
  logFile: string
  postgres: PostgresServer
  edge: EdgeProcess
}

function runOf({ edgeUrl, coreUrl, secrets, logFile, postgres, edge }: RunParts): RunFile {
  return {
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
    isOnAtStart: options.demo,
    onError: (message) => logger.warn({ from: 'demo' }, message),
  })
  lifecycle.onStop('demo traffic', () => demo.stop())
}

async function prepareSecrets(home: string, url: string): Promise<Secrets> {
  const db = createDatabase(url, { max: 1 })
  try {
    return await ensureSecrets(home, db)
  } finally {
    await db.destroy()
  }
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
