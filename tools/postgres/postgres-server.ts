import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from '../process/ports.ts'
import { commandLine, type StopStep, stopProcess } from '../process/processes.ts'
import { attachWatchdog } from '../process/watchdog.ts'
import { type DataDirectory, findDataDirectory } from './data-directory.ts'
import { postgresSettings } from './settings.ts'

/**
 * A real Postgres of our own: made on the first start, found again on the next, restarted when it dies.
 *
 * It runs in a session of its own, so that Ctrl-C at the terminal reaches us and not it: we drain
 * first and stop it last. If we are killed it shuts down by itself. What a killed predecessor left (a postmaster that runs on, a stale
 * postmaster.pid, a half-made data folder) is cleared away before the start.
 */
export interface PostgresServer {
  /** Of the database `sluice`, as superuser. The port stays the same across restarts. */
  url: string
  port: number
  /** Of the postmaster; another one after a crash. */
  readonly pid: number
  /** Within this time, whatever state it is in; 7 s unless set. The last second and a half are for the hard ways. */
  stop(msMax?: number): Promise<void>
}

export interface PostgresServerOptions {
  /** A folder; made if missing. Holds the data, the password (mode 0600) and postgres.log. */
  home: string
  port?: number
  /** Over those of postgres-settings.ts. */
  settings?: Record<string, string>
  log?: (message: string) => void
  /** Told the new process id after a crash. */
  onRestart?: (pid: number) => void
}

const STOP_MS_MAX = 7_000

/** Fast shutdown, immediate shutdown (the next start replays the WAL), and the end of all patience. */
function stopSteps(msMax: number): StopStep[] {
  return [
    { signal: 'SIGINT', graceMs: msMax - 1_500 },
    { signal: 'SIGQUIT', graceMs: 1_000 },
    { signal: 'SIGKILL', graceMs: 500 },
  ]
}

/** Replaying 4 GB of WAL after a crash takes minutes on a slow disk. */
const RECOVERY_MS_MAX = 300_000
/** Any start says for a moment that it recovers. */
const RECOVERY_TOLD_MS = 2_000
const LOG_BYTES_MAX = 10 * 1024 * 1024

export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const { home, log = () => {}, onRestart = () => {} } = options
  mkdirSync(home, { recursive: true })
  const password = keepPassword(home)
  const place = findDataDirectory(home)
  await stopPostgresOf(place.dataFolder)
  if (!existsSync(join(place.dataFolder, 'PG_VERSION'))) initialise(place, password)

  const port = options.port ?? (await freePort())
  const settings = { ...postgresSettings(), ...options.settings, port: String(port) }
  const urlOf = (database: string) => `postgres://sluice:${password}@127.0.0.1:${port}/${database}`

  let stopping = false
  let child = await launch(place, settings, home, urlOf('postgres'), log)
  watch()
  await makeDatabase(urlOf('postgres'))

  function watch(): void {
    const callOff = attachWatchdog(child.pid as number, 'INT')
    child.once('exit', (code, signal) => {
      callOff()
      if (!stopping) void comeBack(`Postgres ended (${signal ?? `exit ${code}`})`)
    })
  }

  async function comeBack(why: string): Promise<void> {
    for (let failures = 0; !stopping; failures++) {
      log(`${why}; starting it again`)
      try {
        child = await launch(place, settings, home, urlOf('postgres'), log, () => stopping)
        watch()
        onRestart(child.pid as number)
        return
      } catch (error) {
        why = (error as Error).message
        await sleep(Math.min(5_000, 250 * 2 ** failures))
      }
    }
  }

  return {
    url: urlOf('sluice'),
    port,
    get pid() {
      return child.pid as number
    },
    async stop(msMax = STOP_MS_MAX) {
      stopping = true
      await stopPostgresOf(place.dataFolder, msMax)
      // A launch under way sees `stopping` only after the fact.
      if (child.pid !== undefined) await stopProcess(child.pid, stopSteps(msMax))
    },
  }
}

/** Stops a Postgres that runs on this data folder, whoever started it. Does nothing if there is none. */
export async function stopPostgresOf(
  dataFolder: string,
  msMax: number = STOP_MS_MAX,
): Promise<void> {
  const pidFile = join(dataFolder, 'postmaster.pid')
  const pid = readPostmasterPid(dataFolder)
  if (pid === undefined) return
  // The id may meanwhile belong to somebody else, whom neither we nor Postgres should mind.
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

/** Starts the postmaster and resolves when it takes connections. */
async function launch(
  place: DataDirectory,
  settings: Record<string, string>,
  home: string,
  url: string,
  log: (message: string) => void,
  cancelled: () => boolean = () => false,
): Promise<ChildProcess> {
  const logFile = join(home, 'postgres.log')
  const startedAt = Date.now()
  const deadline = startedAt + RECOVERY_MS_MAX
  let told = false
  for (;;) {
    if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX)
      renameSync(logFile, `${logFile}.old`)
    const output = openSync(logFile, 'a', 0o600)
    const from = statSync(logFile).size
    const child = spawn(
      place.binaries.postgres,
      [
        '-D',
        place.dataFolder,
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      {
        ...place.user,
        cwd: '/',
        detached: true,
        stdio: ['ignore', output, output],
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      },
    )
    closeSync(output)
    let failed: Error | undefined
    child.once('error', (error) => {
      failed = error
    })
    // It must not keep a process alive that has nothing else to do.
    child.unref()

    while (child.exitCode === null && child.signalCode === null && !failed) {
      const state = await tryConnect(url)
      if (state === 'ready') return child
      if (state === 'recovering' && !told && Date.now() - startedAt > RECOVERY_TOLD_MS) {
        told = true
        log('Postgres replays what was not yet on disk when it was last stopped')
      }
      if (Date.now() > deadline || cancelled()) {
        if (child.pid !== undefined) await stopProcess(child.pid, stopSteps(STOP_MS_MAX))
        throw new Error(`Postgres did not become ready. Its log: ${logFile}`)
      }
      await sleep(15)
    }
    const said = failed?.message ?? readFileSync(logFile).subarray(from).toString().trim()
    // Backends of a killed postmaster need a moment to notice.
    const lingering = said.includes('pre-existing shared memory block')
    if (!lingering || Date.now() > deadline || cancelled())
      throw new Error(`Postgres did not start: ${said.split('\n').at(-1)} (log: ${logFile})`)
    await sleep(200)
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

async function makeDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = 'sluice'")
    if (rowCount === 0) await client.query('CREATE DATABASE sluice')
  } finally {
    await client.end()
  }
}

/** Makes the data folder beside its final place and moves it there whole, so that no start finds half of one. */
function initialise({ binaries, dataFolder, user }: DataDirectory, password: string): void {
  const fresh = `${dataFolder}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { mode: 0o700 })
  const secrets = mkdtempSync(join(tmpdir(), 'sluice-'))
  const passwordFile = join(secrets, 'password')
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  if (user) for (const path of [fresh, secrets, passwordFile]) chownSync(path, user.uid, user.gid)
  try {
    const made = spawnSync(
      binaries.initdb,
      [
        `--pgdata=${fresh}`,
        '--username=sluice',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // The same order of strings on every machine, whatever locales it has.
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
      ],
      {
        ...user,
        cwd: '/',
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
        encoding: 'utf8',
        timeout: 120_000,
      },
    )
    if (made.status !== 0)
      throw new Error(
        `Postgres could not make its data folder ${dataFolder}: ${(made.error?.message ?? made.stderr).trim().split('\n').at(-1)}`,
      )
    rmSync(dataFolder, { recursive: true, force: true })
    renameSync(fresh, dataFolder)
  } finally {
    rmSync(secrets, { recursive: true, force: true })
  }
}

function keepPassword(home: string): string {
  const file = join(home, 'postgres.password')
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  const password = randomBytes(24).toString('base64url')
  writeFileSync(file, `${password}\n`, { mode: 0o600 })
  return password
}
