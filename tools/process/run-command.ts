import { spawn } from 'node:child_process'

const OUTPUT_CHARS_MAX = 20_000

export interface CommandResult {
  /** null when a signal ended it, for example because it took too long */
  code: number | null
  /** The last of its standard output and standard error, in the order they came; at most 20,000 characters */
  output: string
}

/** Runs a command to its end, or kills it after `timeoutMs`. @throws when it cannot be started */
export async function runCommand(
  command: string,
  args: readonly string[],
  { cwd, timeoutMs }: { cwd?: string; timeoutMs: number },
): Promise<CommandResult> {
  const child = spawn(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output = (output + chunk).slice(-OUTPUT_CHARS_MAX)
    })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, output: output.trim() }
}
