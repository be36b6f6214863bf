import type { ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { backoffMs } from '../../core/lib/backoff.ts'
import { pause } from '../../core/lib/pause.ts'
import { stopLeftover, writePidFile } from './pid-file.ts'
import { type StopStep, stopProcess } from './processes.ts'
import { type StartOptions, startProcess } from './start-process.ts'
import { attachWatchdog } from './watchdog.ts'

/**
 * A program that runs next to this process: Postgres, Redis, Kafka, workerd.
 *
 *     stopped ── start() ──▶ starting ── ready ──▶ running ── ended by itself ──▶ restarting ── ready ──▶ running
 *        ▲                      │ failed: start() rejects        │                     │ failed: tries again, later
 *        └──────────────────────┴──────── stop(), kill() ────────┴─────────────────────┘
 *
 * When this process is killed, a watchdog ends it; when both are killed, the next start does, by the pid file.
 */
export interface SupervisedProcess {
  /** undefined while it does not run */
  readonly pid: number | undefined
  /** Resolves when it is ready; at once when it runs already. */
  start(): Promise<void>
  /** In order, so that nothing has to be recovered; by force when that takes too long. */
  stop(steps?: readonly StopStep[]): Promise<void>
  /** With SIGKILL, as an accident would; it can be started again. */
  kill(): Promise<void>
}

export interface SupervisedProcessOptions extends StartOptions {
  pidFile?: string
  /** Sent to it when this process is gone. */
  watchdogSignal: 'INT' | 'TERM'
  /** Without it, a process that ends by itself stays down until start(). */
  restart?: RestartOptions
}

export interface RestartOptions {
  baseMs: number
  maxMs: number
  /**
   * A process that ran this long did not fail because of its start: its next restart is tried at once. Without it,
   * every process that became ready counts so.
   */
  steadyMs?: number
  /**
   * When it ended by itself, and after each restart that failed.
   * @param reason e.g. "Redis ended (SIGKILL)"
   * @param delayMs until the next attempt; 0 is at once
   */
  onEnd?(reason: string, delayMs: number): void
  /** After it is ready again. */
  onRestarted?(reason: string, pid: number): void
}

const KILL: readonly StopStep[] = [{ signal: 'SIGKILL', graceMs: 5_000 }]

export function createSupervisedProcess(options: SupervisedProcessOptions): SupervisedProcess {
  const { name, pidFile, stopSteps, restart } = options
  let child: ChildProcess | undefined
  /** Aborted by stop() and kill(); start() begins another. */
  let run = new AbortController()

  async function startOnce(stopped: AbortSignal): Promise<ChildProcess> {
    if (pidFile) await stopLeftover(pidFile, stopSteps)
    return await startProcess(options, stopped, (spawned) => {
      child = spawned
      const release = attachToProcess(spawned, options)
      spawned.once('exit', () => {
        release()
        if (child === spawned) child = undefined
      })
    })
  }

  async function end(steps: readonly StopStep[]): Promise<void> {
    run.abort()
    const pid = child?.pid
    if (pid !== undefined && !(await stopProcess(pid, steps)))
      throw new Error(`${name} (pid ${pid}) does not stop. Stop it by hand: kill -9 ${pid}`)
    child = undefined
  }

  return {
    get pid() {
      return child?.pid
    },
    async start() {
      if (child) return
      // A restart that waits for its turn gives up: this start takes its place.
      run.abort()
      run = new AbortController()
      const stopped = run.signal
      try {
        const started = await startOnce(stopped)
        if (restart) restartWhenEnded(name, started, restart, stopped, () => startOnce(stopped))
      } catch (error) {
        child = undefined
        throw error
      }
    },
    stop: (steps = stopSteps) => end(steps),
    kill: () => end(KILL),
  }
}

/** @returns to be called when the process has ended */
function attachToProcess(
  { pid }: ChildProcess,
  { pidFile, watchdogSignal }: SupervisedProcessOptions,
): () => void {
  if (pid === undefined) return () => {}
  const detachWatchdog = attachWatchdog(pid, watchdogSignal)
  if (pidFile) writePidFile(pidFile, pid)
  return () => {
    detachWatchdog()
    if (pidFile) rmSync(pidFile, { force: true })
  }
}

/** The first restart is tried at once; each one that fails, or ends before steadyMs, makes the next wait longer. */
function restartWhenEnded(
  name: string,
  started: ChildProcess,
  options: RestartOptions,
  stopped: AbortSignal,
  start: () => Promise<ChildProcess>,
): void {
  let attempts = 0

  function watch(child: ChildProcess): void {
    const readyAt = Date.now()
    child.once('exit', (code, signal) => {
      if (Date.now() - readyAt >= (options.steadyMs ?? 0)) attempts = 0
      void restart(`${name} ended (${signal ?? `exit ${code}`})`)
    })
  }

  async function restart(firstReason: string): Promise<void> {
    let reason = firstReason
    while (!stopped.aborted) {
      const delayMs = attempts > 0 ? backoffMs(attempts - 1, options) : 0
      options.onEnd?.(reason, delayMs)
      await pause(delayMs, stopped)
      if (stopped.aborted) return
      attempts++
      let child: ChildProcess
      try {
        child = await start()
      } catch (error) {
        reason = (error as Error).message
        continue
      }
      watch(child)
      options.onRestarted?.(reason, child.pid as number)
      return
    }
  }

  watch(started)
}
