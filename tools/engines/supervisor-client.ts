import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../../core/lib/usage-error.ts'
import { stopProcess } from '../process/processes.ts'
import { type EnginesState, runningEngines } from './state.ts'

/** What the keeper tells whoever started it. */
export interface FromKeeper {
  step?: string
  ready?: EnginesState
  failed?: string
  hint?: string
}

/** Its engines first: Kafka may take 12 s, and a Postgres with much to write 7 s. */
const STOP_MS_MAX = 45_000

/** Starts the engines under a keeper of their own and resolves when each answers; they outlive us. */
export async function startKeeper(
  home: string,
  brokers: number,
  onStep: (step: string) => void,
): Promise<EnginesState> {
  mkdirSync(home, { recursive: true })
  const log = openSync(join(home, 'keeper.log'), 'a', 0o600)
  const keeper = spawn(
    process.execPath,
    [
      '--max-semi-space-size=2',
      fileURLToPath(new URL('./supervisor.ts', import.meta.url)),
      home,
      String(brokers),
    ],
    { cwd: '/', detached: true, stdio: ['ignore', log, log, 'ipc'] },
  )
  closeSync(log)
  // Given up while they start: they are stopped again, not left half-way.
  const giveUp = () => keeper.kill('SIGTERM')
  process.once('SIGINT', giveUp).once('SIGTERM', giveUp)
  try {
    return await new Promise((resolve, reject) => {
      keeper.on('message', ({ step, ready, failed, hint }: FromKeeper) => {
        if (step) onStep(step)
        if (ready) resolve(ready)
        if (failed) reject(new UsageError(failed, hint ?? `${home}/*.log may say more.`))
      })
      keeper.once('error', reject)
      keeper.once('exit', (code, signal) =>
        reject(new UsageError(`The engines were not started (${signal ?? `exit ${code}`}).`)),
      )
    })
  } finally {
    process.off('SIGINT', giveUp).off('SIGTERM', giveUp)
    if (keeper.connected) keeper.disconnect()
    keeper.unref()
  }
}

/** @returns whether there was anything to stop */
export async function stopKeeper(home: string): Promise<boolean> {
  const state = runningEngines(home)
  if (!state) return false
  if (!(await stopProcess(state.pid, [{ signal: 'SIGTERM', graceMs: STOP_MS_MAX }])))
    throw new UsageError(
      `The engines are still stopping after ${STOP_MS_MAX / 1000} s.`,
      `Look into ${home}/*.log, or end them with "kill -9 ${state.pid}".`,
    )
  return true
}
