import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../core/lib/usage-error.ts'
import { createSupervisedProcess } from '../tools/process/supervised-process.ts'
import type { CoreConfig, CoreMessage } from './core-messages.ts'
import type { PartEvents } from './parts.ts'
import type { Secrets } from './secrets.ts'

/** Core in a process of its own next to this one. */
export interface CoreProcess {
  /** Another one after a crash; undefined while it is down. */
  readonly pid: number | undefined
  secrets: Secrets
  /** Of a sign-in link that works once. */
  /** undefined: links are switched off */
  loginToken: string | undefined
}

export interface CoreProcessOptions extends PartEvents {
  home: string
  /** Core's modules are loaded meanwhile. */
  config: Promise<CoreConfig>
  onStep: (step: string) => void
  onOffsetGap: (message: string) => void
  /** After a restart: a key that was revoked meanwhile has been replaced. */
  onSecrets: (secrets: Secrets) => void
}

/** Migrations of a large database take long, and so does a Postgres that recovers. */
const START_MS_MAX = 900_000
const RESTART_BACKOFF = { baseMs: 250, maxMs: 5_000, steadyMs: 15_000 }

/** Core stops itself within 4 s, whatever does not respond. */
const STOP_STEPS = [
  { signal: 'SIGTERM', graceMs: 3_800 },
  { signal: 'SIGKILL', graceMs: 300 },
] as const

/** Without a bound V8 collects half a gigabyte of garbage before it frees it. */
const V8_FLAGS = ['--max-semi-space-size=8', '--max-old-space-size=256']
const ENTRY = fileURLToPath(new URL('./core-entry.ts', import.meta.url))

export function createCoreProcess(options: CoreProcessOptions): {
  start(): Promise<CoreProcess>
  stop(): Promise<void>
} {
  const { home, config, onStarted, onEnd } = options
  let ready: Pick<CoreProcess, 'secrets' | 'loginToken'> | undefined
  const core = createSupervisedProcess({
    name: 'core',
    command: process.execPath,
    args: [...V8_FLAGS, ENTRY],
    cwd: home,
    logFile: join(home, 'core.log'),
    pidFile: join(home, 'core.pid'),
    extraChannel: 'ipc',
    async waitUntilReady(child) {
      const wanted = receive(child, options)
      // Its rejection is handled below, also when the configuration is still missing.
      wanted.catch(() => {})
      child.send(await config)
      ready = await wanted
    },
    startMsMax: START_MS_MAX,
    stopSteps: STOP_STEPS,
    watchdogSignal: 'TERM',
    restart: {
      ...RESTART_BACKOFF,
      onEnd,
      onRestarted(_, pid) {
        if (ready) options.onSecrets(ready.secrets)
        onStarted(pid)
      },
    },
  })
  return {
    async start() {
      await core.start()
      onStarted(core.pid as number)
      return {
        get pid() {
          return core.pid
        },
        ...(ready as NonNullable<typeof ready>),
      }
    },
    stop: () => core.stop(),
  }
}

/** Resolves when this child is ready. @throws UsageError with what kept it from starting */
function receive(
  child: ChildProcess,
  { onStep, onOffsetGap }: CoreProcessOptions,
): Promise<Pick<CoreProcess, 'secrets' | 'loginToken'>> {
  return new Promise((resolve, reject) => {
    // A child that ends while it is written to; its end is reported elsewhere.
    child.on('error', () => {})
    child.on('message', (message: CoreMessage) => {
      if (message.kind === 'step') onStep(message.step)
      else if (message.kind === 'ready') resolve(message)
      else if (message.kind === 'failed')
        reject(new UsageError(message.message, message.hint ?? ''))
      else onOffsetGap(message.message)
    })
  })
}
