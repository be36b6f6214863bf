import { type ChildProcess, spawn } from 'node:child_process'
import { ROOT } from '../../core/lib/paths.ts'

/** Core with the role worker alone, with the log in Postgres; for tests that kill it, so nothing waits until it is ready. */
export function startWorkerProcess(databaseUrl: string): ChildProcess {
  return spawn(process.execPath, ['core/main.ts', 'worker'], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: databaseUrl, SLUICE_LOG_LEVEL: 'error' },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}
