import { mkdirSync } from 'node:fs'
import { pidFilePath } from '../process/pid-file.ts'
import type { StopStep } from '../process/processes.ts'
import { pollUntil } from '../process/start-process.ts'
import { createSupervisedProcess, type SupervisedProcess } from '../process/supervised-process.ts'

export interface EngineProcessOptions {
  name: string
  command: string
  args: readonly string[]
  /** A folder, created if missing. Holds the process id; the log file is `<home>.log`. */
  home: string
  /** The home unless set. */
  cwd?: string
  /** The environment of this process unless set. */
  env?: Record<string, string>
  /** Before every start and restart. */
  prepare?(): Promise<void>
  isReady(): Promise<boolean>
  startMsMax: number
  stopSteps: readonly StopStep[]
  /** Called when it ended by itself and is about to be restarted; without it, it stays down. */
  onRestart?: (message: string) => void
}

const PROBE_EVERY_MS = 50
const RESTART_BACKOFF = { baseMs: 250, maxMs: 10_000 }

/** An engine as a supervised process with a folder of its own. */
export function createEngineProcess(options: EngineProcessOptions): SupervisedProcess {
  const { name, command, args, home, cwd = home, env, startMsMax, stopSteps, onRestart } = options
  return createSupervisedProcess({
    name,
    command,
    args,
    cwd,
    env,
    logFile: `${home}.log`,
    pidFile: pidFilePath(home),
    async prepare() {
      mkdirSync(home, { recursive: true })
      await options.prepare?.()
    },
    waitUntilReady: (_, signal) => pollUntil(options.isReady, PROBE_EVERY_MS, signal),
    startMsMax,
    stopSteps,
    watchdogSignal: 'TERM',
    restart: onRestart && {
      ...RESTART_BACKOFF,
      onEnd: (reason) => onRestart(`${reason}, restarting it`),
    },
  })
}
