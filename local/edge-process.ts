import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, createWriteStream, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { EDGE_BUNDLE } from '../tools/build.ts'
import { stopProcess } from '../tools/process/processes.ts'
import { attachWatchdog } from '../tools/process/watchdog.ts'

/** The edge in real workerd, beside us. */
export interface EdgeProcess {
  readonly pid: number
  /** Ends after the requests under way, within seconds. */
  stop(): Promise<void>
}

export interface EdgeProcessOptions {
  home: string
  port: number
  /** Text bindings of the Worker. */
  bindings: Record<string, string>
  /** Told when workerd ended by itself and is started again. */
  onRestart: (why: string, pid: number) => void
}

const START_MS_MAX = 20_000
const RESTART_MS_MAX = 10_000
/** One that lived this long did not fail at the start. */
const STEADY_MS = 60_000

export async function startEdgeProcess(options: EdgeProcessOptions): Promise<EdgeProcess> {
  const config = join(options.home, 'workerd.capnp')
  // Beside its configuration, where workerd looks for what it embeds; and a copy of our own: a restart must bring up
  // the edge that ran, whatever was built since.
  copyFileSync(EDGE_BUNDLE, join(options.home, 'edge.js'))
  writeFileSync(config, capnp(options), { mode: 0o600 })
  let stopping = false
  let failures = 0
  let retry: NodeJS.Timeout | undefined
  let child = await launch(options.home, config)
  watch()

  function watch(): void {
    const startedAt = Date.now()
    const callOff = attachWatchdog(child.pid as number, 'TERM')
    child.once('exit', (code, signal) => {
      callOff()
      if (stopping) return
      failures = Date.now() - startedAt > STEADY_MS ? 0 : failures + 1
      restart(`workerd ended (${signal ?? code})`)
    })
  }
  function restart(why: string): void {
    retry = setTimeout(
      async () => {
        try {
          child = await launch(options.home, config)
          watch()
          options.onRestart(why, child.pid as number)
        } catch (error) {
          failures++
          restart((error as Error).message)
        }
      },
      Math.min(RESTART_MS_MAX, 100 * 2 ** failures),
    )
  }

  return {
    get pid() {
      return child.pid as number
    },
    async stop() {
      stopping = true
      clearTimeout(retry)
      await stopProcess(child.pid as number, EDGE_STOP)
    },
  }
}

export const EDGE_STOP = [
  { signal: 'SIGTERM', graceMs: 1_900 },
  { signal: 'SIGKILL', graceMs: 500 },
] as const

/** Resolves when workerd says on its control channel that it listens. */
async function launch(home: string, config: string): Promise<ChildProcess> {
  const workerd = createRequire(import.meta.url).resolve('workerd/bin/workerd')
  const child = spawn(workerd, ['serve', config, '--control-fd=3'], {
    cwd: home,
    // Not in the terminal's group: Ctrl-C reaches us, and we drain in order.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const log = createWriteStream(join(home, 'edge.log'), { flags: 'a', mode: 0o600 })
  for (const stream of [child.stdout, child.stderr]) stream?.pipe(log, { end: false })
  child.once('exit', () => log.end())
  await new Promise<void>((resolve, reject) => {
    const fail = (what: string) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(`${what}; ${join(home, 'edge.log')} may say why`))
    }
    const timer = setTimeout(
      () => fail(`workerd was not ready within ${START_MS_MAX / 1000} s`),
      START_MS_MAX,
    )
    child.once('error', (error) => fail(`workerd could not be started: ${error.message}`))
    child.once('exit', (code, signal) => fail(`workerd ended while starting (${signal ?? code})`))
    createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
      if (!line.includes('"listen"')) return
      clearTimeout(timer)
      child.removeAllListeners('exit')
      child.once('exit', () => log.end())
      resolve()
    })
  })
  return child
}

/**
 * Every request leaves native memory behind that goes only when V8 collects, and V8 sees no reason to while
 * its own heap is small against its limits: 250 MiB with the defaults, 110 to 140 with these, at the
 * same rate. LIMITS.edgeBytesInFlightMax keeps what is worked on within them.
 */
export const V8_FLAGS = [
  '--initial-heap-size=1',
  '--max-semi-space-size=1',
  '--max-old-space-size=32',
]

/** Nothing but loopback can be reached from inside, and nothing but loopback reaches it. */
function capnp({ port, bindings }: EdgeProcessOptions): string {
  const list = Object.entries(bindings).map(
    ([name, value]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`,
  )
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = (
      modules = [(name = "edge.js", esModule = embed "edge.js")],
      compatibilityDate = "2026-11-01",
      bindings = [${list.join(', ')}],
      globalOutbound = "loopback",
    )),
    (name = "loopback", network = (allow = ["127.0.0.0/8"])),
  ],
  v8Flags = [${V8_FLAGS.map((flag) => JSON.stringify(flag)).join(', ')}],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "edge")],
);
`
}
