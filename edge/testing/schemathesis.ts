import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from './runtimes.ts'

const PLACE = join(ROOT, '.ci/schemathesis')
const REQUIREMENTS = join(PLACE, 'requirements.txt')
const PYTHON_MS_MAX = 30_000
const PIP_MS_MAX = 120_000

const run = promisify(execFile)

/** What installing takes at most. */
export const INSTALL_MS_MAX = 2 * PYTHON_MS_MAX + PIP_MS_MAX

export type Installed = { python: string } | { missing: string }

/**
 * Schemathesis in a Python environment of its own, beside the other caches; made once for each set of
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
    return { missing: 'there is no python3' }
  }
  // What an earlier try left behind half-way.
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
    return { missing: `python3 could not install it: ${said(error)}` }
  }
  await writeFile(isReady, '')
  return { python }
}

export interface Outcome {
  code: number | null
  /** What it wrote; the end of it says what it found, with a curl for each. */
  report: string
}

/** @param key of an API key; it is handed over in the environment @param forSeconds it goes on that long */
export async function runSchemathesis(
  python: string,
  documentUrl: string,
  key: string,
  forSeconds: number,
): Promise<Outcome> {
  const cwd = await mkdtemp(join(tmpdir(), 'sluice-schemathesis-'))
  const child = spawn(
    python,
    [
      ...['-m', 'schemathesis.cli', '--config-file', join(PLACE, 'schemathesis.toml')],
      ...['run', documentUrl, '--max-time', String(forSeconds)],
      // Other paths of the same operations.
      ...['--exclude-operation-id-regex', '[0-9]$'],
    ],
    {
      cwd,
      env: {
        PATH: process.env.PATH,
        HOME: cwd,
        NO_COLOR: '1',
        SCHEMATHESIS_HOOKS: join(PLACE, 'hooks.py'),
        SLUICE_KEY: key,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // It keeps its time; this is for when it hangs.
      timeout: (forSeconds + 30) * 1_000,
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

function said(error: unknown): string {
  const { stderr = '', message } = error as Error & { stderr?: string }
  return (stderr || message).trim().split('\n').slice(-3).join(' ').slice(0, 400)
}
