import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, type StopStep, startStamp, stopProcess } from './processes.ts'
import { attachWatchdog } from './watchdog.ts'

/** An engine as a process of ours, in a session of its own: it ends when we end it, or when we are gone. */
export interface EngineProcess {
  /** undefined while it does not run */
  readonly pid: number | undefined
  /** Resolves when it answers; at once when it runs already. */
  start(): Promise<void>
  /** In order, so that nothing has to be recovered; by force when that takes too long. */
  stop(): Promise<void>
  /** With SIGKILL, as an accident would; it can be started again. */
  kill(): Promise<void>
}

export interface EngineProcessOptions {
  name: string
  command: string
  args: string[]
  /** Holds its process id; its log file is beside it. */
  home: string
  /** Where it runs, and what it is told, where that is not the home and our own environment. */
  cwd?: string
  env?: Record<string, string>
  answers(): Promise<boolean>
  startMsMax: number
  stopSteps: readonly StopStep[]
  /** Told when it ended by itself and is started again; without it nobody starts it. */
  onRestart?: (why: string) => void
}

const LOG_BYTES_MAX = 10 * 1024 * 1024
const RESTART_MS_MAX = 10_000

export function createEngineProcess(options: EngineProcessOptions): EngineProcess {
  const { name, home, stopSteps, onRestart } = options
  const pidFile = join(home, 'pid')
  let child: ChildProcess | undefined
  /** Nobody wants it to run; what comes to an end now is no accident. */
  let wanted = false

  async function launch(): Promise<void> {
    await stopLeftOver(pidFile, stopSteps)
    const [started, said] = spawnInto(options)
    child = started
    watch(started)
    const deadline = Date.now() + options.startMsMax
    while (!(await options.answers())) {
      const ended = started.exitCode !== null || started.signalCode !== null || !started.pid
      if (!ended && wanted && Date.now() < deadline) {
        await sleep(50)
        continue
      }
      if (started.pid) await stopProcess(started.pid, [{ signal: 'SIGKILL', graceMs: 2_000 }])
      const how = ended
        ? 'ended while starting'
        : `did not answer in ${options.startMsMax / 1000} s`
      throw new Error(`${name} ${how}: ${said()} (${logFile(home)})`)
    }
  }

  function watch(started: ChildProcess): void {
    if (!started.pid) return
    writeFileSync(pidFile, `${started.pid} ${startStamp(started.pid)}\n`)
    const callOff = attachWatchdog(started.pid, 'TERM')
    started.once('exit', () => {
      callOff()
      if (child === started) child = undefined
      rmSync(pidFile, { force: true })
    })
  }

  /** Only once it has answered: a start that fails is told to whoever asked for it. */
  function bringBack(): void {
    if (!onRestart) return
    child?.once('exit', async (code, signal) => {
      let why = `${name} ended (${signal ?? `exit ${code}`})`
      for (let failures = 0; wanted; failures++) {
        onRestart(why)
        try {
          await launch()
          return bringBack()
        } catch (error) {
          why = (error as Error).message
          await sleep(Math.min(RESTART_MS_MAX, 250 * 2 ** failures))
        }
      }
    })
  }

  async function end(steps: readonly StopStep[]): Promise<void> {
    wanted = false
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
      wanted = true
      mkdirSync(home, { recursive: true })
      try {
        await launch()
      } catch (error) {
        wanted = false
        throw error
      }
      bringBack()
    },
    stop: () => end(stopSteps),
    kill: () => end([{ signal: 'SIGKILL', graceMs: 5_000 }]),
  }
}

/** @returns the process, and its last words */
function spawnInto(options: EngineProcessOptions): [ChildProcess, () => string] {
  const { home, command, args, cwd = home, env } = options
  const file = logFile(home)
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX)
    renameSync(file, `${file}.old`)
  const output = openSync(file, 'a', 0o600)
  const from = statSync(file).size
  const child = spawn(command, args, {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  let failed = ''
  child.once('error', (error) => {
    failed = error.message
  })
  child.unref()
  return [
    child,
    () => failed || (readFileSync(file).subarray(from).toString().trim().split('\n').at(-1) ?? ''),
  ]
}

function logFile(home: string): string {
  return `${home}.log`
}

/** What a killed owner left running on this folder. */
async function stopLeftOver(pidFile: string, steps: readonly StopStep[]): Promise<void> {
  const pid = readPid(pidFile)
  if (pid !== undefined && !(await stopProcess(pid, steps)))
    throw new Error(`Process ${pid} still runs on ${dirname(pidFile)}. Stop it: kill -9 ${pid}`)
  rmSync(pidFile, { force: true })
}

/** The same, of every engine under this home. */
export async function stopLeftOvers(home: string): Promise<void> {
  if (!existsSync(home)) return
  const files = readdirSync(home, { recursive: true, encoding: 'utf8' })
  for (const file of files.filter((each) => basename(each) === 'pid'))
    await stopLeftOver(join(home, file), [{ signal: 'SIGKILL', graceMs: 5_000 }])
}

function readPid(pidFile: string): number | undefined {
  try {
    const [pid, ...stamp] = readFileSync(pidFile, 'utf8').trim().split(' ')
    const is = Number(pid)
    return isAlive(is) && startStamp(is) === stamp.join(' ') ? is : undefined
  } catch {
    return undefined
  }
}
