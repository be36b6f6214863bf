import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../../core/lib/usage-error.ts'
import { stopProcess } from '../process/processes.ts'
import { type EnginesState, findRunningEngines } from './state.ts'
import type { SupervisorMessage } from './supervisor-message.ts'

/** It stops its engines first: Kafka may take 12 s, and a Postgres with much to write 7 s. */
const STOP_MS_MAX = 45_000

/** Starts the engines under a supervisor process and resolves when all of them are ready; they outlive this process. */
export async function startSupervisor(
  home: string,
  brokers: number,
  onStep: (step: string) => void,
): Promise<EnginesState> {
  mkdirSync(home, { recursive: true })
  const log = openSync(join(home, 'supervisor.log'), 'a', 0o600)
  const supervisor = spawn(
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
  // Interrupted while they start: it stops those that run, none is left over.
  const cancel = () => supervisor.kill('SIGTERM')
  process.once('SIGINT', cancel).once('SIGTERM', cancel)
  try {
    return await new Promise((resolve, reject) => {
      supervisor.on('message', ({ step, ready, failed, hint }: SupervisorMessage) => {
        if (step) onStep(step)
        if (ready) resolve(ready)
        if (failed) reject(new UsageError(failed, hint ?? `See ${home}/*.log.`))
      })
      supervisor.once('error', reject)
      supervisor.once('exit', (code, signal) =>
        reject(new UsageError(`The engines were not started (${signal ?? `exit ${code}`}).`)),
      )
    })
  } finally {
    process.off('SIGINT', cancel).off('SIGTERM', cancel)
    if (supervisor.connected) supervisor.disconnect()
    supervisor.unref()
  }
}

/** @returns whether there was anything to stop */
export async function stopSupervisor(home: string): Promise<boolean> {
  const state = findRunningEngines(home)
  if (!state) return false
  if (!(await stopProcess(state.pid, [{ signal: 'SIGTERM', graceMs: STOP_MS_MAX }])))
    throw new UsageError(
      `The engines are still stopping after ${STOP_MS_MAX / 1000} s.`,
      `See ${home}/*.log, or kill them: kill -9 ${state.pid}`,
    )
  return true
}
