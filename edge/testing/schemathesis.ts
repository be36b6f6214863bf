import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from './runtimes.ts'

const CONFIG_FOLDER = join(ROOT, '.ci/schemathesis')
const REQUIREMENTS = join(CONFIG_FOLDER, 'requirements.txt')
const PYTHON_MS_MAX = 30_000
const PIP_MS_MAX = 120_000
/** Ends a process that hangs; on a quiet machine a run takes a tenth of it. */
const RUN_MS_MAX = 300_000
/** Requests wait so long for a machine that runs other tests. */
const REQUEST_SECONDS_MAX = 30

const run = promisify(execFile)

/** The time limit of a test: an installation and a run. */
export const TEST_MS_MAX = 2 * PYTHON_MS_MAX + PIP_MS_MAX + RUN_MS_MAX + 60_000

export type Installed = { python: string } | { missing: string }

/**
 * Schemathesis in its own Python environment in node_modules/.cache, created once for each set of
 * versions in .ci/schemathesis/requirements.txt.
 */
export async function installSchemathesis(): Promise<Installed> {
  const versions = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex')
  const folder = join(ROOT, 'node_modules/.cache', `schemathesis-${versions.slice(0, 12)}`)
  const python = join(folder, 'bin/python')
  const isReady = join(folder, 'is-ready')
  if (existsSync(isReady)) return { python }
  try {
    await run('python3', ['--version'], { timeout: PYTHON_MS_MAX })
  } catch {
    return { missing: 'python3 is not installed' }
  }
  // An earlier attempt may have left an incomplete environment.
  await rm(folder, { recursive: true, force: true })
  await mkdir(join(ROOT, 'node_modules/.cache'), { recursive: true })
  try {
    await run('python3', ['-m', 'venv', folder], { timeout: PYTHON_MS_MAX })
    await run(
      python,
      ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS],
      { timeout: PIP_MS_MAX },
    )
  } catch (error) {
    return { missing: `python3 could not install it: ${describeError(error)}` }
  }
  await writeFile(isReady, '')
  return { python }
}

export interface Outcome {
  code: number | null
  /** Its output; the end lists each failure with a curl command. */
  report: string
}

/**
 * @param key an API key, passed in the environment
 * @param examples how many generated requests an operation gets; a busy machine takes longer for as many
 * @param options more of its command line
 */
export async function runSchemathesis(
  python: string,
  documentUrl: string,
  key: string,
  examples: number,
  options: readonly string[] = [],
): Promise<Outcome> {
  const cwd = await mkdtemp(join(tmpdir(), 'sluice-schemathesis-'))
  const child = spawn(
    python,
    [
      ...['-m', 'schemathesis.cli', '--config-file', join(CONFIG_FOLDER, 'schemathesis.toml')],
      ...['run', documentUrl, '--max-examples', String(examples)],
      ...['--request-timeout', String(REQUEST_SECONDS_MAX)],
      // Also the speed of generating them is no fault of what is tested.
      ...['--suppress-health-check', 'too_slow'],
      // These operations are aliases under other paths.
      ...['--exclude-operation-id-regex', '[0-9]$'],
      ...options,
    ],
    {
      cwd,
      env: {
        PATH: process.env.PATH,
        HOME: cwd,
        NO_COLOR: '1',
        SCHEMATHESIS_HOOKS: join(CONFIG_FOLDER, 'hooks.py'),
        SLUICE_KEY: key,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: RUN_MS_MAX,
      killSignal: 'SIGKILL',
    },
  )
  let report = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      report += chunk
    })
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    return { code, report }
  } finally {
    await rm(cwd, { recursive: true, force: true })
  }
}

function describeError(error: unknown): string {
  const { stderr = '', message } = error as Error & { stderr?: string }
  return (stderr || message).trim().split('\n').slice(-3).join(' ').slice(0, 400)
}
