import { join } from 'node:path'
import { ROOT } from '../core/lib/paths.ts'
import { pollUntil } from '../tools/process/start-process.ts'
import { createSupervisedProcess } from '../tools/process/supervised-process.ts'
import type { EdgeProcess } from './edge-process.ts'

export interface CollectorProcessOptions {
  home: string
  port: number
  databaseUrl: string
  /** Shown on the page /docs. */
  docsKey: string
  logLevel: string
  /** Called when it ended by itself and was restarted. */
  onRestart: (reason: string, pid: number) => void
  /** Called when it ended by itself or a restart failed; the next one is tried after this time. */
  onEnd?: (reason: string, delayMs: number) => void
}

const START_MS_MAX = 30_000
const READY_POLL_MS = 50
const RESTART_BACKOFF = { baseMs: 100, maxMs: 10_000, steadyMs: 60_000 }
const STOP_STEPS = [
  { signal: 'SIGTERM', graceMs: 2_500 },
  { signal: 'SIGKILL', graceMs: 500 },
] as const
/** With 8 MiB, garbage collection takes a quarter of its time under load; more than 16 showed no certain gain. */
const V8_FLAGS = ['--max-semi-space-size=16', '--max-old-space-size=256']

/** The role collector in a process of its own, in place of the edge in workerd: it goes on while core restarts. */
export async function startCollectorProcess(
  options: CollectorProcessOptions,
): Promise<EdgeProcess> {
  const { home, port } = options
  let pid = 0
  const collector = createSupervisedProcess({
    name: 'collector',
    command: process.execPath,
    args: [...V8_FLAGS, join(ROOT, 'core/main.ts'), 'collector'],
    cwd: home,
    env: {
      DATABASE_URL: options.databaseUrl,
      SLUICE_COLLECTOR_PORT: String(port),
      SLUICE_EDGE_NAME: 'local',
      SLUICE_DOCS_KEY: options.docsKey,
      SLUICE_LOG_LEVEL: options.logLevel,
    },
    logFile: join(home, 'edge.log'),
    pidFile: join(home, 'collector.pid'),
    waitUntilReady: (_, signal) => pollUntil(() => isHealthy(port), READY_POLL_MS, signal),
    startMsMax: START_MS_MAX,
    stopSteps: STOP_STEPS,
    watchdogSignal: 'TERM',
    restart: {
      ...RESTART_BACKOFF,
      onEnd: options.onEnd,
      onRestarted(reason, restarted) {
        pid = restarted
        options.onRestart(reason, restarted)
      },
    },
  })
  await collector.start()
  pid = collector.pid as number
  return {
    get pid() {
      return pid
    },
    stop: () => collector.stop(),
  }
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`, {
      signal: AbortSignal.timeout(1_000),
    })
    await response.body?.cancel()
    return response.ok
  } catch {
    // It does not listen yet.
    return false
  }
}
