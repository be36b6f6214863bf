import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import type { StubGateway } from './stub-gateway.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** A dozen may start at once, on a busy machine. */
const START_MS_MAX = 50_000

/** An edge in its own process, reached over HTTP. */
export interface RunningEdge {
  url: string
  port: number
  pid: number
  /** Its log output so far. */
  log: () => string
  stop(): Promise<void>
}

/** The collector is the edge in core's process, without HTTP between them. */
export type Runtime = 'workerd' | 'deno' | 'node' | 'collector'
export const RUNTIMES: readonly Runtime[] = ['workerd', 'deno', 'node', 'collector']
/** Those that reach core over HTTP. */
export const REMOTE_RUNTIMES = RUNTIMES.filter((runtime) => runtime !== 'collector')
/** The two HTTP servers of our own choice: workerd's, and ours on Node. */
export const RUNTIMES_FOR_BROWSERS: readonly Runtime[] = ['workerd', 'collector']

const COLLECTOR = 'core/collector/testing/stub-collector.ts'

/** @param settings in addition to those of the gateway */
export function startEdge(
  runtime: Runtime,
  gateway: StubGateway,
  settings: Record<string, string> = {},
): Promise<RunningEdge> {
  const all = { ...bindings(gateway), ...settings }
  if (runtime === 'workerd') return startWorkerd(gateway, 'edge/entry/cloudflare.ts', all)
  if (runtime === 'node') return startSource(process.execPath, ['edge/entry/node.ts'], all)
  if (runtime === 'collector') return startSource(process.execPath, [COLLECTOR], all)
  return startDeno('edge/entry/deno.ts', all, denoPermissions())
}

/** The flags with which `deno task edge` runs the edge. */
export function denoPermissions(): string[] {
  const { tasks } = JSON.parse(readFileSync(join(ROOT, 'deno.json'), 'utf8'))
  return tasks.edge.split(' ').filter((flag: string) => /^--(?:allow|deny)-/.test(flag))
}

export function startDeno(
  file: string,
  settings: Record<string, string>,
  permissions: readonly string[] = ['--allow-net', '--allow-env'],
): Promise<RunningEdge> {
  const run = ['run', '--cached-only', '--no-prompt', ...permissions, file]
  return startSource(join(ROOT, 'node_modules/.bin/deno'), run, settings)
}

/** Runs the source without a build; the settings come from the environment. */
function startSource(
  command: string,
  args: string[],
  settings: Record<string, string>,
): Promise<RunningEdge> {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      DENO_NO_UPDATE_CHECK: '1',
      // Where Node writes what of the edge's code ran (tools/coverage).
      ...(process.env.NODE_V8_COVERAGE && { NODE_V8_COVERAGE: process.env.NODE_V8_COVERAGE }),
      PORT: '0',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return running(child, child.stdout as Readable, (line) => /:(\d+)$/.exec(line)?.[1])
}

/** As `npm start` runs it: bundled, with a generated configuration. */
export async function startWorkerd(
  gateway: Pick<StubGateway, 'url' | 'username' | 'password'>,
  entry = 'edge/entry/cloudflare.ts',
  settings = bindings(gateway),
  v8Flags: readonly string[] = [],
): Promise<RunningEdge> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-edge-'))
  await bundle(folder, entry)
  await writeFile(join(folder, 'config.capnp'), capnp(settings, v8Flags))
  const child = spawn(
    createRequire(import.meta.url)('workerd').default,
    ['serve', 'config.capnp', '--control-fd=3'],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
  )
  child.once('exit', () => void rm(folder, { recursive: true, force: true }))
  return running(child, child.stdio[3] as Readable, (line) => /"port":(\d+)/.exec(line)?.[1])
}

/** Bundles the edge into `edge.js` in `folder`, as `npm start` does. */
export async function bundle(
  folder: string,
  entry = 'edge/entry/cloudflare.ts',
  minify = false,
): Promise<void> {
  await build({
    root: ROOT,
    configFile: false,
    logLevel: 'warn',
    build: {
      outDir: folder,
      emptyOutDir: false,
      copyPublicDir: false,
      minify,
      target: 'es2024',
      lib: { entry: join(ROOT, entry), formats: ['es'], fileName: () => 'edge.js' },
    },
  })
}

function capnp(values: Record<string, string>, v8Flags: readonly string[]): string {
  const list = Object.entries(values)
    .map(([name, value]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`)
    .join(', ')
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = (
      modules = [(name = "edge.js", esModule = embed "edge.js")],
      compatibilityDate = "2026-11-01",
      bindings = [${list}],
      globalOutbound = "network",
    )),
    (name = "network", network = (allow = ["private", "local"])),
  ],
  v8Flags = [${v8Flags.map((flag) => JSON.stringify(flag)).join(', ')}],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "edge")],
);
`
}

function bindings({
  url,
  username,
  password,
}: Pick<StubGateway, 'url' | 'username' | 'password'>): Record<string, string> {
  return {
    SLUICE_GATEWAY_URL: url,
    SLUICE_GATEWAY_USERNAME: username,
    SLUICE_GATEWAY_PASSWORD: password,
    SLUICE_EDGE_NAME: 'test',
  }
}

/** @param portIn reads the port from a line of `source` */
async function running(
  child: ChildProcess,
  source: Readable,
  portIn: (line: string) => string | undefined,
): Promise<RunningEdge> {
  let log = ''
  const exited = once(child, 'exit')
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      log += chunk
    })
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`did not start in time: ${log}`)), START_MS_MAX)
    exited.then(() => reject(new Error(`exited during start: ${log}`)), reject)
    createInterface({ input: source }).on('line', (line) => {
      const found = portIn(line)
      if (!found) return
      clearTimeout(timer)
      resolve(Number(found))
    })
  }).catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error
  })
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid as number,
    log: () => log,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
