import { join } from 'node:path'
import { ROOT } from '../core/lib/paths.ts'
import { pollUntil } from '../tools/process/start-process.ts'
import { type EdgeEvents, type EdgeProcess, superviseEdge } from './supervise-edge.ts'

export interface CollectorProcessOptions extends EdgeEvents {
  home: string
  port: number
  databaseUrl: string
  /** Shown on the page /docs. */
  docsKey: string
  siteKeys: string
  logLevel: string
}

const START_MS_MAX = 30_000
const READY_POLL_MS = 50
const STOP_STEPS = [
  { signal: 'SIGTERM', graceMs: 2_500 },
  { signal: 'SIGKILL', graceMs: 500 },
] as const
/** With 8 MiB, garbage collection takes a quarter of its time under load; more than 16 showed no certain gain. */
export const COLLECTOR_V8_FLAGS = ['--max-semi-space-size=16', '--max-old-space-size=256']

/** The role collector in a process of its own, in place of the edge in workerd: it goes on while core restarts. */
export async function startCollectorProcess(
  options: CollectorProcessOptions,
): Promise<EdgeProcess> {
  const { home, port } = options
  return superviseEdge(home, options, {
    name: 'collector',
    command: process.execPath,
    args: [...COLLECTOR_V8_FLAGS, join(ROOT, 'core/main.ts'), 'collector'],
    env: {
      DATABASE_URL: options.databaseUrl,
      SLUICE_COLLECTOR_PORT: String(port),
      SLUICE_EDGE_NAME: 'local',
      SLUICE_DOCS_KEY: options.docsKey,
      SLUICE_SITE_KEYS: options.siteKeys,
      SLUICE_LOG_LEVEL: options.logLevel,
    },
    pidFile: join(home, 'collector.pid'),
    waitUntilReady: (_, signal) => pollUntil(() => isHealthy(port), READY_POLL_MS, signal),
    startMsMax: START_MS_MAX,
    stopSteps: STOP_STEPS,
  })
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
