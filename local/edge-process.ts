import type { ChildProcess } from 'node:child_process'
import { copyFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { EDGE_BUNDLE } from '../tools/build.ts'
import { commandLine, stopProcess } from '../tools/process/processes.ts'
import { type EdgeEvents, type EdgeProcess, superviseEdge } from './supervise-edge.ts'

export interface EdgeProcessOptions extends EdgeEvents {
  home: string
  port: number
  /** Text bindings of the Worker. */
  bindings: Record<string, string>
}

/** The binary itself: the package's command is a script that passes neither signals nor descriptor 3 on. */
export const WORKERD: string = createRequire(import.meta.url)('workerd').default

const START_MS_MAX = 20_000

const STOP_STEPS = [
  { signal: 'SIGTERM', graceMs: 1_900 },
  { signal: 'SIGKILL', graceMs: 500 },
] as const

/** The edge in a real workerd next to this process. */
export async function startEdgeProcess(options: EdgeProcessOptions): Promise<EdgeProcess> {
  const { home } = options
  const config = configPath(home)
  // workerd embeds files next to its configuration. And a restart must start the edge that ran, whatever was
  // built since: hence a copy.
  copyFileSync(EDGE_BUNDLE, join(home, 'edge.js'))
  writeFileSync(config, capnp(options), { mode: 0o600 })
  return superviseEdge(home, options, {
    name: 'workerd',
    command: WORKERD,
    args: ['serve', config, '--control-fd=3'],
    extraChannel: 'pipe',
    waitUntilReady: waitForListen,
    startMsMax: START_MS_MAX,
    stopSteps: STOP_STEPS,
  })
}

/** Stops a workerd of this home that outlived a killed parent and still holds its port. */
export async function stopOrphanedEdge(home: string, pid: number | undefined): Promise<void> {
  if (pid && commandLine(pid).includes(configPath(home))) await stopProcess(pid, STOP_STEPS)
}

function configPath(home: string): string {
  return join(home, 'workerd.capnp')
}

/** workerd reports on its control channel that it listens. */
function waitForListen(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
      if (line.includes('"listen"')) resolve()
    })
  })
}

/**
 * Every request leaves native memory that is freed only when V8 collects garbage, and V8 collects rarely while
 * its own heap is small against its limits: 250 MiB with the defaults, 110 to 140 with these, at the
 * same rate. LIMITS.edgeBytesInFlightMax bounds what requests may hold within them.
 */
export const V8_FLAGS = [
  '--initial-heap-size=1',
  '--max-semi-space-size=1',
  '--max-old-space-size=32',
]

/** The Worker reaches nothing but loopback, and only loopback reaches it. */
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
