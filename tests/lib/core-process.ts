import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { ROOT } from '../../core/lib/paths.ts'

/** core/main.ts as an operator runs it: a process that is configured by its environment. */
export interface CoreProcess {
  process: ChildProcess
  pid: number
  /** Of its HTTP server; '' for a worker alone. */
  url: string
  /** Its standard output and standard error so far. */
  output(): string
  /** With SIGTERM by default; resolves with the exit code when it has ended. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export interface CoreProcessOptions {
  roles: readonly ('api' | 'gateway' | 'worker' | 'collector')[]
  databaseUrl: string
  env?: Record<string, string>
}

export const SLUICE_GATEWAY_PASSWORD = 'a-password-for-tests'

/** Resolves when it is ready; rejects with its output when it exits before. */
export async function startCore({
  roles,
  databaseUrl,
  env = {},
}: CoreProcessOptions): Promise<CoreProcess> {
  const child = spawn(process.execPath, ['core/main.ts', ...roles], {
    cwd: ROOT,
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      SLUICE_GATEWAY_PASSWORD: SLUICE_GATEWAY_PASSWORD,
      PORT: '0',
      SLUICE_LOG_LEVEL: 'info',
      // Counts of tests are exact.
      SLUICE_CANARY_SECONDS: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const ready = Promise.withResolvers<string>()
  const collect = (chunk: Buffer) => {
    output += chunk
    const line = output.split('\n').find((each) => each.includes('"msg":"ready"'))
    if (line?.endsWith('}')) ready.resolve(JSON.parse(line).url ?? '')
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const ended = once(child, 'exit') as Promise<[number | null]>
  ended.then(([code]) => ready.reject(new Error(`core ended with ${code}: ${output}`)))
  const url = await ready.promise
  return {
    process: child,
    pid: child.pid as number,
    url,
    output: () => output,
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      return (await ended)[0]
    },
  }
}
