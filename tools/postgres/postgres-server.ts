import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { pause } from '../../core/lib/pause.ts'
import { findFreePort } from '../process/ports.ts'
import { commandLine, type StopStep, stopProcess } from '../process/processes.ts'
import { createSupervisedProcess } from '../process/supervised-process.ts'
import { findDataDirectory } from './data-directory.ts'
import { ensurePassword, initialiseDataFolder, POSTGRES_ENV } from './initdb.ts'
import { ensureOwner, OWNER, ownerPassword } from './owner.ts'
import { postgresSettings } from './settings.ts'

/**
 * A real Postgres of our own: created on the first start, found again on the next, restarted when it crashes.
 * Before a start, whatever a killed predecessor left is removed: a postmaster that still runs, a stale
 * postmaster.pid, an incomplete data folder.
 */
export interface PostgresServer {
  /** Of the database `sluice`, as the role that owns it. The port stays the same across restarts. */
  url: string
  /** The same as superuser, for what Sluice itself never does. */
  adminUrl: string
  port: number
  /** Of the postmaster; another one after a crash. */
  readonly pid: number
  /** Within this time, whatever state it is in; 7 s unless set. The last 1.5 s are for SIGQUIT and SIGKILL. */
  stop(msMax?: number): Promise<void>
}

export interface PostgresServerOptions {
  /** A folder; created if missing. Holds the data, the password (mode 0600) and postgres.log. */
  home: string
  port?: number
  /** These override tools/postgres/settings.ts. */
  settings?: Record<string, string>
  log?: (message: string) => void
  /** Called with the new process id after a crash. */
  onRestart?: (pid: number) => void
  /** Called when it ended by itself or a restart failed; the next one is tried after this time. */
  onEnd?: (reason: string, delayMs: number) => void
}

const STOP_MS_MAX = 7_000
/** Replaying 4 GB of WAL after a crash takes minutes on a slow disk. */
const RECOVERY_MS_MAX = 300_000
/** Every start reports recovery for a moment; only a longer one is logged. */
const RECOVERY_LOGGED_AFTER_MS = 2_000
const PROBE_EVERY_MS = 15
const RESTART_BACKOFF = { baseMs: 250, maxMs: 5_000 }

export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const { home, log = () => {}, onRestart = () => {} } = options
  const { onEnd = (reason) => log(`${reason}, restarting it`) } = options
  mkdirSync(home, { recursive: true })
  const password = ensurePassword(home)
  const directory = findDataDirectory(home)
  const { dataFolder, binaries, user } = directory
  await stopPostgresOf(dataFolder)
  if (!existsSync(join(dataFolder, 'PG_VERSION'))) initialiseDataFolder(directory, password)

  const port = options.port ?? (await findFreePort())
  const settings = { ...postgresSettings(), ...options.settings, port: String(port) }
  const urlOf = (database: string) => `postgres://sluice:${password}@127.0.0.1:${port}/${database}`
  let pid = 0
  const server = createSupervisedProcess({
    name: 'Postgres',
    command: binaries.postgres,
    args: [
      '-D',
      dataFolder,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    cwd: '/',
    env: POSTGRES_ENV,
    user,
    logFile: join(home, 'postgres.log'),
    waitUntilReady: (_, signal) => waitForConnections(urlOf('postgres'), log, signal),
    startMsMax: RECOVERY_MS_MAX,
    // The backends of a killed postmaster need a moment to notice.
    isTransientFailure: (output) => output.includes('pre-existing shared memory block'),
    stopSteps: stopSteps(STOP_MS_MAX),
    watchdogSignal: 'INT',
    restart: {
      ...RESTART_BACKOFF,
      onEnd,
      onRestarted(_, restarted) {
        pid = restarted
        onRestart(restarted)
      },
    },
  })
  await server.start()
  pid = server.pid as number
  const ownPassword = ownerPassword(password)
  await ensureOwner(urlOf, ownPassword)

  return {
    url: `postgres://${OWNER}:${ownPassword}@127.0.0.1:${port}/sluice`,
    adminUrl: urlOf('sluice'),
    port,
    get pid() {
      return pid
    },
    stop: (msMax = STOP_MS_MAX) => server.stop(stopSteps(msMax)),
  }
}

/** Fast shutdown, immediate shutdown (the next start replays the WAL), then SIGKILL. */
function stopSteps(msMax: number): StopStep[] {
  return [
    { signal: 'SIGINT', graceMs: msMax - 1_500 },
    { signal: 'SIGQUIT', graceMs: 1_000 },
    { signal: 'SIGKILL', graceMs: 500 },
  ]
}

/** Stops a Postgres that runs on this data folder, whoever started it. Does nothing if there is none. */
export async function stopPostgresOf(
  dataFolder: string,
  msMax: number = STOP_MS_MAX,
): Promise<void> {
  const pidFile = join(dataFolder, 'postmaster.pid')
  const pid = readPostmasterPid(dataFolder)
  if (pid === undefined) return
  // The id may belong to another process by now; then neither we nor Postgres may stop at it.
  if (!commandLine(pid).includes(dataFolder)) return rmSync(pidFile, { force: true })
  if (!(await stopProcess(pid, stopSteps(msMax))))
    throw new Error(
      `Postgres (pid ${pid}) on ${dataFolder} does not stop. Stop it by hand: kill -9 ${pid}`,
    )
}

export function readPostmasterPid(dataFolder: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(dataFolder, 'postmaster.pid'), 'utf8').split('\n')[0])
    return Number.isInteger(pid) && pid > 1 ? pid : undefined
  } catch {
    return undefined
  }
}

async function waitForConnections(
  url: string,
  log: (message: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = Date.now()
  let isLogged = false
  while (!signal.aborted) {
    const state = await tryConnect(url)
    if (state === 'ready') return
    if (state === 'recovering' && !isLogged && Date.now() - startedAt > RECOVERY_LOGGED_AFTER_MS) {
      isLogged = true
      log('Postgres replays its write-ahead log, as it was not shut down properly')
    }
    await pause(PROBE_EVERY_MS, signal)
  }
}

async function tryConnect(url: string): Promise<'ready' | 'recovering' | 'not yet'> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return 'ready'
  } catch (error) {
    return (error as { code?: string }).code === '57P03' ? 'recovering' : 'not yet'
  } finally {
    await client.end().catch(() => {})
  }
}
