import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { ROOT } from '../../core/lib/paths.ts'
import { UsageError } from '../../core/lib/usage-error.ts'

/** Pinned like the packages. k6 runs TypeScript from 1.0 on. */
export const K6_VERSION = 'v1.8.1'
const PACKAGE = `go.k6.io/k6@${K6_VERSION}`
const FOLDER = join(ROOT, 'node_modules/.cache/k6', K6_VERSION)
/** Some 60 modules and a thousand packages; a minute or two on two cores. */
const BUILD_MS_MAX = 900_000
const HINT =
  'Install k6 1.x (https://grafana.com/docs/k6/latest/set-up/install-k6/) or Go (https://go.dev/dl/), then try again.'

/** Why k6 is not available; undefined when it is installed or can be built. */
export async function whyK6IsMissing(): Promise<string | undefined> {
  if (await findK6()) return undefined
  return (await findGo()) ? undefined : 'neither k6 1.x nor Go is on PATH'
}

/**
 * The k6 on PATH, or the one built earlier, or a new build.
 * @param onProgress receives one line for each step
 * @throws UsageError when it is neither installed nor can be built
 */
export async function findOrBuildK6(onProgress: (step: string) => void): Promise<string> {
  const found = await findK6()
  if (found) return found
  const go = await findGo()
  if (!go) throw new UsageError('k6 is not on PATH, and neither is Go to build it with.', HINT)
  onProgress(`building k6 ${K6_VERSION} with ${go}; this is done once`)
  await build(go, onProgress)
  if (!(await versionOf(BUILT)))
    throw new UsageError(`The k6 built at ${BUILT} does not run.`, HINT)
  return BUILT
}

const BUILT = join(FOLDER, 'k6')

async function findK6(): Promise<string | undefined> {
  for (const path of ['k6', BUILT]) {
    const version = await versionOf(path)
    if (version && Number(version.split('.')[0]) >= 1) return path
  }
  return undefined
}

async function versionOf(path: string): Promise<string | undefined> {
  return /k6(?:\.exe)? v(\d+\.\d+\.\d+)/.exec(await outputOf(path, ['version']))?.[1]
}

export async function findGo(): Promise<string | undefined> {
  for (const path of ['go', '/usr/local/go/bin/go'])
    if ((await outputOf(path, ['version'])).startsWith('go version')) return path
  return undefined
}

/** Empty when the command is missing or fails. */
async function outputOf(path: string, args: string[]): Promise<string> {
  if (path.startsWith('/') && !existsSync(path)) return ''
  return promisify(execFile)(path, args, { timeout: 20_000 }).then(
    ({ stdout }) => stdout,
    () => '',
  )
}

function build(go: string, onProgress: (step: string) => void): Promise<void> {
  const child = spawn(go, ['install', '-v', PACKAGE], {
    // A folder for each version, so that running processes of another one are not affected.
    env: { ...process.env, GOBIN: FOLDER },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: BUILD_MS_MAX,
  })
  let last = ''
  let downloaded = 0
  let compiled = 0
  createInterface({ input: child.stderr }).on('line', (line) => {
    last = line
    if (line.startsWith('go: downloading')) downloaded++
    else if (!line.startsWith('go:')) compiled++
    if ((downloaded + compiled) % 50 === 0)
      onProgress(`${downloaded} modules downloaded, ${compiled} packages compiled`)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) =>
      code === 0
        ? resolve()
        : reject(
            new UsageError(`"go install ${PACKAGE}" failed (${signal ?? code}): ${last}`, HINT),
          ),
    )
  })
}
