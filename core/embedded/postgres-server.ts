import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from './ports.ts'
import { copyNative, nativeFolder } from './postgres-binaries.ts'
import { postgresUser, type RunAs, reachable } from './postgres-user.ts'
import { alive, isOurs } from './processes.ts'

/** A real Postgres of our own, on loopback only, with its data in a folder. */
export interface PostgresServer {
  /** Of the database `sluice`, with its password. */
  url: string
  pid: number
  /** Resolves when the process is gone, whoever ended it. */
  exited: Promise<void>
  /** A fast shutdown: clients are cut, everything committed is on disk. */
  stop(): Promise<void>
}

export interface PostgresServerOptions {
  /** Where the data lives; kept between starts. */
  home: string
  port?: number
  /** Over ours, e.g. `{ fsync: 'off' }` for tests that kill no database. */
  settings?: Record<string, string>
}

const START_MS_MAX = 60_000
const STOP_MS_MAX = 8_000

export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const home = resolve(options.home)
  mkdirSync(home, { recursive: true })
  const native = await nativeFolder()
  const runAs = postgresUser()
  const folder = placeFor(home, native, runAs)
  const bin = join(folder.native, 'bin')
  const data = join(folder.data, 'postgres')
  await stopOrphan(data)
  const password = keptPassword(home)
  if (!existsSync(join(data, 'PG_VERSION'))) await init(bin, data, password, runAs)

  const port = options.port ?? (await freePort())
  const log = openSync(join(home, 'postgres.log'), 'a')
  const settings = { ...defaultSettings(), ...options.settings, port: String(port) }
  const child = spawn(
    join(bin, 'postgres'),
    [
      '-D',
      data,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    // A process group of its own: Ctrl-C at the terminal is for us to hear, and to drain first.
    {
      ...runAs,
      detached: true,
      stdio: ['ignore', log, log],
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' },
    },
  )
  closeSync(log)
  const exited = new Promise<void>((done) => {
    child.once('exit', () => done())
    child.once('error', () => done())
  })
  const url = `postgres://sluice:${password}@127.0.0.1:${port}/sluice`
  await ready(url, child, join(home, 'postgres.log'))
  return { url, pid: child.pid as number, exited, stop: () => stop(child, exited) }
}

/** Our own choices, each for writing much and keeping all of it. */
function defaultSettings(): Record<string, string> {
  const sharedMb = Math.max(64, Math.min(512, Math.floor(totalmem() / 2 ** 20 / 16)))
  return {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '60',
    shared_buffers: `${sharedMb}MB`,
    // Fewer checkpoints, fewer full-page images.
    max_wal_size: '4GB',
    checkpoint_timeout: '15min',
    wal_compression: 'off',
    jit: 'off',
    autovacuum_vacuum_cost_limit: '2000',
    autovacuum_naptime: '15s',
    timezone: 'UTC',
    log_min_messages: 'warning',
    // Statements may hold what people sent.
    log_min_error_statement: 'panic',
    log_parameter_max_length_on_error: '0',
  }
}

/**
 * Data and binaries stay where they are unless root starts us in a folder that no other user can
 * walk to; then both live under /var/tmp, in a folder named after the home.
 */
function placeFor(home: string, native: string, runAs: RunAs | undefined) {
  if (!runAs || (reachable(home) && reachable(native))) return { native, data: home }
  const elsewhere = elsewhereFor(home)
  mkdirSync(elsewhere, { recursive: true, mode: 0o755 })
  writeFileSync(join(home, 'postgres-is-at'), `${elsewhere}\n`)
  const version = createHash('sha256').update(native).digest('hex').slice(0, 8)
  return { native: copyNative(native, join(elsewhere, `native-${version}`)), data: elsewhere }
}

export function elsewhereFor(home: string): string {
  return `/var/tmp/sluice-${createHash('sha256').update(resolve(home)).digest('hex').slice(0, 12)}`
}

/** Random, and readable only by whoever started us. */
function keptPassword(home: string): string {
  const file = join(home, 'postgres-password')
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('hex'), { mode: 0o600 })
  return readFileSync(file, 'utf8').trim()
}

async function init(
  bin: string,
  data: string,
  password: string,
  runAs: RunAs | undefined,
): Promise<void> {
  // A first start that was cut short leaves half a cluster; it holds nothing yet.
  rmSync(data, { recursive: true, force: true })
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const pwfile = `${data}-password`
  writeFileSync(pwfile, password, { mode: 0o600 })
  if (runAs) for (const path of [data, pwfile]) chownSync(path, runAs.uid, runAs.gid)
  try {
    await run(
      join(bin, 'initdb'),
      [
        '-D',
        data,
        '-U',
        'sluice',
        '--auth=scram-sha-256',
        `--pwfile=${pwfile}`,
        '--encoding=UTF8',
        '--locale=C.UTF-8',
        '--no-instructions',
        '--no-sync',
      ],
      runAs,
    )
  } finally {
    rmSync(pwfile, { force: true })
  }
}

async function run(command: string, args: string[], runAs: RunAs | undefined): Promise<void> {
  const child = spawn(command, args, {
    ...runAs,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' },
  })
  let said = ''
  child.stdout.on('data', (chunk) => (said += chunk))
  child.stderr.on('data', (chunk) => (said += chunk))
  await new Promise<void>((done, fail) => {
    child.once('error', fail)
    child.once('exit', (code) =>
      code === 0 ? done() : fail(new Error(`${command} failed (${code}):\n${said.slice(-2_000)}`)),
    )
  })
}

/** A Postgres of this folder that outlived its parent (kill -9) is shut down properly before the next one starts. */
async function stopOrphan(data: string): Promise<void> {
  const pidFile = join(data, 'postmaster.pid')
  if (!existsSync(pidFile)) return
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n', 1)[0])
  if (!isOurs(pid, data)) return
  process.kill(pid, 'SIGINT')
  const deadline = Date.now() + STOP_MS_MAX
  while (alive(pid) && Date.now() < deadline) await sleep(50)
  if (alive(pid)) process.kill(pid, 'SIGKILL')
}

async function ready(url: string, child: ChildProcess, log: string): Promise<void> {
  const deadline = Date.now() + START_MS_MAX
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`Postgres ended while starting; ${log} says why:\n${tail(log)}`)
    try {
      await ensureDatabase(url)
      return
    } catch (error) {
      if (Date.now() > deadline) {
        child.kill('SIGQUIT')
        throw new Error(`Postgres was not ready within ${START_MS_MAX / 1000} s; see ${log}`, {
          cause: error,
        })
      }
      await sleep(50)
    }
  }
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url.replace(/sluice$/, 'postgres'),
    connectionTimeoutMillis: 2_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = 'sluice'")
    if (rowCount === 0) await client.query('CREATE DATABASE sluice')
  } finally {
    await client.end().catch(() => {})
  }
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').split('\n').slice(-12).join('\n')
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  // Fast shutdown, then immediate (which the next start recovers from), then the hard way.
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await Promise.race([exited, sleep(STOP_MS_MAX / 2)])
  }
  await exited
}
