import { join } from 'node:path'
import {
  createSupervisedProcess,
  type SupervisedProcessOptions,
} from '../tools/process/supervised-process.ts'

/** What accepts events, as a process next to this one. */
export interface EdgeProcess {
  /** Another one after a crash. */
  readonly pid: number
  /** After the requests under way, within seconds. */
  stop(): Promise<void>
}

export interface EdgeEvents {
  /** Called when it ended by itself and was restarted. */
  onRestart: (reason: string, pid: number) => void
  /** Called when it ended by itself or a restart failed; the next one is tried after this time. */
  onEnd?: (reason: string, delayMs: number) => void
}

const RESTART_BACKOFF = { baseMs: 100, maxMs: 10_000, steadyMs: 60_000 }

/** Starts it in the home, and again whenever it ends by itself. */
export async function superviseEdge(
  home: string,
  { onRestart, onEnd }: EdgeEvents,
  options: Omit<SupervisedProcessOptions, 'cwd' | 'logFile' | 'watchdogSignal' | 'restart'>,
): Promise<EdgeProcess> {
  let pid = 0
  const edge = createSupervisedProcess({
    ...options,
    cwd: home,
    logFile: join(home, 'edge.log'),
    watchdogSignal: 'TERM',
    restart: {
      ...RESTART_BACKOFF,
      onEnd,
      onRestarted(reason, restarted) {
        pid = restarted
        onRestart(reason, restarted)
      },
    },
  })
  await edge.start()
  pid = edge.pid as number
  return {
    get pid() {
      return pid
    },
    stop: () => edge.stop(),
  }
}
