import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { aborted, pause } from '../../core/lib/pause.ts'
import { type StopStep, stopProcess } from './processes.ts'

export interface StartOptions {
  /** For messages: "Redis ended (SIGKILL)". */
  name: string
  command: string
  args: readonly string[]
  cwd: string
  /** The environment of this process unless set. */
  env?: Record<string, string>
  /** Another user to run it as; only root may. */
  user?: { uid: number; gid: number }
  /** Its output is appended; past 10 MiB a start renames the file to `….old`. */
  logFile: string
  /** Opens file descriptor 3 of the child: as a pipe, `child.stdio[3]`, or as Node's IPC channel. */
  extraChannel?: 'pipe' | 'ipc'
  /** Before every start and restart, for example to write its configuration. */
  prepare?(): Promise<void>
  /**
   * Resolves when the child is ready.
   * @param signal aborts when waiting is over: the child ended, took too long, or is being stopped
   */
  waitUntilReady(child: ChildProcess, signal: AbortSignal): Promise<void>
  startMsMax: number
  /** Whether a start that ended with this output is worth another attempt within startMsMax. */
  isTransientFailure?(output: string): boolean
  stopSteps: readonly StopStep[]
}

const LOG_BYTES_MAX = 10 * 1024 * 1024
const TRANSIENT_RETRY_MS = 200

/**
 * Starts the process and resolves when it is ready.
 * @param stopped aborts when it is stopped meanwhile; the caller that stops it waits for its end
 * @param onSpawn is given the child before it is ready
 * @throws when it ended or was not ready in time, with the last line of its output; it has ended then
 */
export async function startProcess(
  options: StartOptions,
  stopped: AbortSignal,
  onSpawn: (child: ChildProcess) => void,
): Promise<ChildProcess> {
  const { name, startMsMax, logFile } = options
  const deadline = Date.now() + startMsMax
  for (;;) {
    await options.prepare?.()
    if (stopped.aborted) throw new Error(`${name} was stopped while starting`)
    const spawned = spawnIntoLog(options)
    if (spawned.child.pid) onSpawn(spawned.child)
    const failure = await waitForStart(options, spawned, deadline, stopped)
    if (failure === undefined) return spawned.child
    const mayRetry = Date.now() < deadline && options.isTransientFailure?.(spawned.output())
    if (!mayRetry) throw new Error(`${name} ${failure}: ${spawned.lastLine()} (log: ${logFile})`)
    await pause(TRANSIENT_RETRY_MS, stopped)
  }
}

/** Resolves when the probe is true, or when the signal aborts. */
export async function pollUntil(
  probe: () => Promise<boolean>,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && !(await probe())) await pause(everyMs, signal)
}

/** @returns undefined when it is ready, else what happened */
async function waitForStart(
  options: StartOptions,
  { child, ended }: SpawnedProcess,
  deadline: number,
  stopped: AbortSignal,
): Promise<string | undefined> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), Math.max(0, deadline - Date.now()))
  const over = AbortSignal.any([ended, late.signal, stopped])
  try {
    const isReady = await Promise.race([
      options.waitUntilReady(child, over).then(() => !over.aborted),
      aborted(over).then(() => false),
    ])
    if (isReady) return undefined
    if (ended.aborted) return 'ended while starting'
    if (stopped.aborted) return 'was stopped while starting'
    await stopProcess(child.pid as number, options.stopSteps)
    return `was not ready within ${options.startMsMax / 1000} s`
  } catch (error) {
    if (child.pid) await stopProcess(child.pid, options.stopSteps)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

interface SpawnedProcess {
  child: ChildProcess
  /** Aborts when it has ended, or could not be started. */
  ended: AbortSignal
  /** What it wrote since this start. */
  output(): string
  /** The last line of that, or why it could not be started. */
  lastLine(): string
}

function spawnIntoLog(options: StartOptions): SpawnedProcess {
  const { command, args, cwd, env, user, logFile, extraChannel } = options
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX)
    renameSync(logFile, `${logFile}.old`)
  const log = openSync(logFile, 'a', 0o600)
  const from = statSync(logFile).size
  const child = spawn(command, args, {
    ...user,
    cwd,
    env,
    // In a session of its own: Ctrl-C at the terminal reaches us, and we stop it in order.
    detached: true,
    stdio: ['ignore', log, log, ...(extraChannel ? [extraChannel] : [])],
  })
  closeSync(log)
  const ended = new AbortController()
  let failed = ''
  child.once('error', (error) => {
    failed = error.message
    ended.abort()
  })
  child.once('exit', () => ended.abort())
  // It must not keep a process alive that has nothing else to do.
  child.unref()
  const output = () => readFileSync(logFile).subarray(from).toString().trim()
  return {
    child,
    ended: ended.signal,
    output,
    lastLine: () => failed || (output().split('\n').at(-1) ?? ''),
  }
}
