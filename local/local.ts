import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { AuditConfig } from '../core/audit-config.ts'
import { loginUrl } from '../core/identity/login-links.ts'
import type { SignInSettings } from '../core/identity/sign-in/sign-in-settings.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { createLifecycle, type Lifecycle } from '../core/lifecycle.ts'
import { createLogger } from '../core/logger.ts'
import type { CanarySettings } from '../core/proof/canaries/canary-settings.ts'
import type { VerificationConfig } from '../core/verification-config.ts'
import { buildAll } from '../tools/build.ts'
import { startDemo } from '../tools/demo/demo.ts'
import { type PostgresServer, startPostgresServer } from '../tools/postgres/postgres-server.ts'
import { lockHome, unlockHome } from '../tools/process/home-lock.ts'
import { findFreePort, portNote } from '../tools/process/ports.ts'
import { startStamp } from '../tools/process/processes.ts'
import { createCoreProcess } from './core-process.ts'
import { stopOrphanedEdge } from './edge-process.ts'
import { createPartTable, type PartName, type PartTable } from './parts.ts'
import { findRunning, type RunFile, readRunFile, removeRunFile, writeRunFile } from './run-file.ts'
import type { Secrets } from './secrets.ts'
import { type EdgeKind, startEdge } from './start-edge.ts'

/**
 * The composition root of one machine: a small supervisor with three processes, a real Postgres, core, and the
 * edge: core's collector, or a real workerd. One that ends is restarted while the others go on. A start removes what a killed
 * predecessor left and continues with its data.
 */
export interface EmbeddedOptions {
  home: string
  edgePort: number
  corePort: number
  demo: boolean
  edge: EdgeKind
  /** SLUICE_SITE_KEYS, for the edge. */
  siteKeys?: string | undefined
  /** Of the demo traffic: the same seed gives the same people and pages. */
  seed: number
  logLevel: string
  retentionDays: number | undefined
  signIn: SignInSettings
  audit: AuditConfig
  canaries: CanarySettings
  verification: VerificationConfig
  /** Called once a step, with a few words for a person. */
  onStep: (step: string) => void
  /** Records are missing from the log, or a part ended and is restarted; everything else continues. */
  onAlarm: (message: string, kind: 'offset-gap' | 'restart') => void
}

export interface EmbeddedSluice {
  run: RunFile & { login_url: string }
  /** Sentences about ports that were taken. */
  notes: string[]
  /** In order: demo traffic, edge, core, Postgres. */
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
const POSTGRES_STOP_MS_MAX = 3_200

export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedSluice> {
  const running = findRunning(options.home)
  if (running) throw new AlreadyRunningError(running)
  // Other users may enter a folder that we create: one of them runs Postgres when root starts us.
  if (mkdirSync(options.home, { recursive: true })) chmodSync(options.home, 0o755)
  const owner = lockHome(options.home)
  if (owner !== undefined)
    throw new UsageError(
      `Another start on ${options.home} is under way (process ${owner}).`,
      'Wait until "npm run sluice -- status" shows that it is ready.',
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
  const parts = createLifecycle({ stepMsMax: 4_200, totalMsMax: 6_500 })
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
  const { home, onStep, onAlarm } = options
  await stopOrphanedEdge(home, readRunFile(home)?.edge_pid)
  const logFile = join(home, 'sluice.log')
  const logger = createLogger(options.logLevel, logFile)
  const [corePort, edgePort] = await Promise.all([
    findFreePort(options.corePort),
    findFreePort(options.edgePort),
  ])
  const urls = {
    edge: `http://127.0.0.1:${edgePort}`,
    core: `http://127.0.0.1:${corePort}`,
  }
  let run: RunFile | undefined
  const table = createPartTable(
    () => {
      if (!run) return
      Object.assign(run, runningParts(table))
      writeRunFile(home, run)
    },
    (message, part) => {
      logger.warn({ part }, message)
      onAlarm(message, 'restart')
    },
  )

  onStep('Starting Postgres')
  // Building, Postgres and the loading of core's modules use different cores.
  const building = buildAll()
  building.catch(() => {})
  const startingPostgres = startPostgres(home, logger, table)
  const core = createCoreProcess({
    home,
    config: startingPostgres.then(({ url }) => ({
      home,
      databaseUrl: url,
      port: corePort,
      edgeUrl: urls.edge,
      logFile,
      logLevel: options.logLevel,
      retentionDays: options.retentionDays,
      signIn: options.signIn,
      audit: options.audit,
      canaries: { ...options.canaries, edges: [urls.edge] },
      verification: options.verification,
    })),
    onStep,
    onOffsetGap: (message) => onAlarm(message, 'offset-gap'),
    onSecrets({ writeKey: write_key, readKey: read_key, demoKey }) {
      Object.assign(run ?? {}, { write_key, read_key })
      demo.key = demoKey
    },
    ...table.eventsOf('core'),
  })
  parts.onStop('core', () => core.stop())
  const demo = { key: '' }
  const startingCore = core.start()
  startingCore.catch(() => {})
  const postgres = await startingPostgres
  base.onStop('Postgres', () => postgres.stop(POSTGRES_STOP_MS_MAX))
  onStep('Starting core')
  const { secrets, loginToken } = await startingCore

  onStep('Starting the edge')
  await building
  await startEdge(options, edgePort, {
    coreUrl: urls.core,
    databaseUrl: postgres.url,
    secrets,
    table,
    parts,
  })
  run = runOf({ urls, secrets, logFile, postgres, table })
  writeRunFile(home, run)
  demo.key = secrets.demoKey
  startDemoTraffic(options, parts, urls.edge, demo, logger)
  return {
    run: { ...run, login_url: loginToken ? loginUrl(urls.core, loginToken) : `${urls.core}/login` },
    notes: [
      ...portNote('edge', options.edgePort, edgePort),
      ...portNote('core', options.corePort, corePort),
    ],
    kill() {
      signal(table.pidOf('edge'), 'SIGKILL')
      signal(table.pidOf('core'), 'SIGKILL')
      // Immediate shutdown: the postmaster ends its own children.
      signal(table.pidOf('postgres'), 'SIGQUIT')
    },
  }
}

async function startPostgres(
  home: string,
  logger: Logger,
  table: PartTable,
): Promise<PostgresServer> {
  const { onStarted, onEnd } = table.eventsOf('postgres')
  const postgres = await startPostgresServer({
    home: join(home, 'postgres'),
    log: (message) => logger.warn({ part: 'postgres' }, message),
    onRestart: onStarted,
    onEnd,
  })
  onStarted(postgres.pid)
  return postgres
}

interface RunParts {
  urls: { edge: string; core: string }
  secrets: Secrets
  logFile: string
  postgres: PostgresServer
  table: PartTable
}

function runOf({ urls, secrets, logFile, postgres, table }: RunParts): RunFile {
  return {
    edge_url: urls.edge,
    core_url: urls.core,
    graphql_url: `${urls.core}/graphql`,
    dashboard_url: `${urls.core}/`,
    gateway_url: `${urls.core}/gateway`,
    database_url: postgres.url,
    write_key: secrets.writeKey,
    read_key: secrets.readKey,
    log: 'postgres',
    log_file: logFile,
    pid: process.pid,
    pid_stamp: startStamp(process.pid),
    ...runningParts(table),
    started_at: new Date().toISOString(),
  }
}

/** A part that is down keeps no process id: another process may get it. */
function runningParts({ parts, pidOf }: PartTable) {
  const pid = (name: PartName) => pidOf(name) ?? 0
  return {
    core_pid: pid('core'),
    edge_pid: pid('edge'),
    postgres_pid: pid('postgres'),
    parts: [...parts],
  }
}

function startDemoTraffic(
  options: EmbeddedOptions,
  lifecycle: Lifecycle,
  edgeUrl: string,
  current: { key: string },
  logger: Logger,
): void {
  const demo = startDemo({
    edgeUrl,
    key: () => current.key,
    seed: options.seed,
    switchFile: join(options.home, 'demo'),
    isOnAtStart: options.demo,
    onError: (message) => logger.warn({ from: 'demo' }, message),
  })
  lifecycle.onStop('demo traffic', () => demo.stop())
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(pid, name)
  } catch {
    // It has ended already.
  }
}
