import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../../core/lib/paths.ts'
import type { RunFile } from '../../local/run-file.ts'
import { findDataDirectory, removeDataDirectory } from '../../tools/postgres/data-directory.ts'
import { stopPostgresOf } from '../../tools/postgres/postgres-server.ts'
import { isAlive } from '../../tools/process/processes.ts'

/** The product as a stranger has it: started by its command, talked to over HTTP, stopped by a signal. */
export interface TestSluice {
  run: RunFile & { login_url: string; notes: string[] }
  process: ChildProcess
  /** Its standard output and standard error so far. */
  output(): string
  /** @returns exit code or signal, and how long it took */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; seconds: number }>
  ended: Promise<number | null>
}

export interface TestHome {
  folder: string
  start(...args: string[]): Promise<TestSluice>
  /** Any command of `sluice`, to its end. */
  sluice(...args: string[]): Promise<CommandResult>
  /** Ends what still runs and removes everything. */
  remove(): Promise<void>
}

export interface CommandResult {
  code: number | null
  out: string
  err: string
}

const START_MS_MAX = 90_000
const BIN = join(ROOT, 'cli/bin.mjs')
/** As `npm start` has them. */
const NODE_FLAGS: string[] = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
).scripts.start.match(/--\S+/g)

/** A home of one's own; ports are free ones unless the arguments say otherwise. @param more of the environment */
export function createTestHome(more: Record<string, string> = {}): TestHome {
  // Mode 0700: as root, the user that runs Postgres may not enter it.
  const folder = mkdtempSync(join(tmpdir(), 'sluice-home-'))
  const env = {
    ...process.env,
    SLUICE_CANARY_SECONDS: '0',
    ...more,
    SLUICE_HOME: folder,
    NO_COLOR: '1',
  }
  const started: TestSluice[] = []

  async function start(...args: string[]): Promise<TestSluice> {
    const ports = ['--edge-port', '0', '--core-port', '0']
    const child = spawn(
      process.execPath,
      [...NODE_FLAGS, BIN, 'start', '--json', ...ports, ...args],
      {
        cwd: ROOT,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    let out = ''
    let all = ''
    child.stderr?.on('data', (chunk) => {
      all += chunk
    })
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    const run = await new Promise<TestSluice['run']>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not ready: ${all}`)), START_MS_MAX)
      child.stdout?.on('data', (chunk) => {
        out += chunk
        all += chunk
        const run = tryParse(out)
        if (run) resolve(run as TestSluice['run'])
      })
      ended.then((code) => reject(new Error(`ended with ${code}: ${all}`)))
      ended.finally(() => clearTimeout(timer))
      child.stdout?.once('close', () => clearTimeout(timer))
    })
    const sluice: TestSluice = {
      run,
      process: child,
      output: () => all,
      ended,
      async stop(signal = 'SIGINT') {
        const at = Date.now()
        child.kill(signal)
        return { code: await ended, seconds: (Date.now() - at) / 1000 }
      },
    }
    started.push(sluice)
    return sluice
  }

  function sluice(...args: string[]): Promise<CommandResult> {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const streams = { out: '', err: '' }
    child.stdout.on('data', (chunk) => {
      streams.out += chunk
    })
    child.stderr.on('data', (chunk) => {
      streams.err += chunk
    })
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...streams })))
  }

  return {
    folder,
    start,
    sluice,
    async remove() {
      for (const { process } of started) if (process.exitCode === null) process.kill('SIGKILL')
      for (const { run } of started)
        for (const pid of [run.core_pid, run.edge_pid])
          if (isAlive(pid)) process.kill(pid, 'SIGKILL')
      const postgres = join(folder, 'postgres')
      await stopPostgresOf(findDataDirectory(postgres).dataFolder)
      removeDataDirectory(postgres)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A question to GraphQL with a key. */
export async function askGraphQL<T = Record<string, unknown>>(
  run: Pick<RunFile, 'graphql_url' | 'read_key'>,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<T> {
  const response = await fetch(run.graphql_url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${run.read_key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(10_000),
  })
  const { data, errors } = (await response.json()) as { data: T; errors?: { message: string }[] }
  if (errors) throw new Error(errors.map(({ message }) => message).join('; '))
  return data
}

/** Redeems a sign-in link as its page does; `origin` where core is reached under another address than the link's. */
export function redeemLink(
  link: string,
  { origin = new URL(link).origin, headers = {} }: { origin?: string; headers?: object } = {},
): Promise<Response> {
  const token = new URLSearchParams(new URL(link).hash.slice(1)).get('token')
  return fetch(`${origin}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-sluice-sign-in': '1', ...headers },
    body: JSON.stringify({ token }),
    signal: AbortSignal.timeout(10_000),
  })
}

export async function sendEvent(
  run: Pick<RunFile, 'edge_url' | 'write_key'>,
  body: unknown,
): Promise<Response> {
  return fetch(`${run.edge_url}/v1/events`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${run.write_key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  })
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
