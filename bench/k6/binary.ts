import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { ROOT } from '../../core/lib/paths.ts'
import { UsageError } from '../../core/lib/usage-error.ts'

/** Pinned, as packages are. From 1.0 on k6 runs TypeScript as it is. */
export const K6_VERSION = 'v1.8.1'
const PACKAGE = `go.k6.io/k6@${K6_VERSION}`
const FOLDER = join(ROOT, 'node_modules/.cache/k6', K6_VERSION)
/** Some 60 modules and a thousand packages; a minute or two on two cores. */
const BUILD_MS_MAX = 900_000
const HINT =
  'Install k6 1.x (https://grafana.com/docs/k6/latest/set-up/install-k6/) or Go (https://go.dev/dl/), then try again.'

/** Why there can be no k6 on this machine; undefined when it is there or can be built. */
export async function whyNoK6(): Promise<string | undefined> {
  if (await ready()) return undefined
  return (await findGo()) ? undefined : 'there is neither k6 1.x nor Go on PATH'
}

/**
 * k6 of the PATH, or the one that was built here before, or one that is built now.
 * @param onProgress one line a step
 * @throws UsageError when it is not there and cannot be built
 */
export async function findOrBuildK6(onProgress: (step: string) => void): Promise<string> {
  const found = await ready()
  if (found) return found
  const go = await findGo()
  if (!go) throw new UsageError('k6 is not on PATH, and neither is Go to build it with.', HINT)
  onProgress(`building k6 ${K6_VERSION} with ${go}; this happens once`)
  await build(go, onProgress)
  if (!(await versionOf(BUILT)))
    throw new UsageError(`What was built at ${BUILT} does not run.`, HINT)
  return BUILT
}

const BUILT = join(FOLDER, 'k6')

async function ready(): Promise<string | undefined> {
  for (const path of ['k6', BUILT]) {
    const version = await versionOf(path)
    if (version && Number(version.split('.')[0]) >= 1) return path
  }
  return undefined
}

async function versionOf(path: string): Promise<string | undefined> {
  return /k6(?:\.exe)? v(\d+\.\d+\.\d+)/.exec(await outputOf(path, ['version']))?.[1]
}

async function findGo(): Promise<string | undefined> {
  for (const path of ['go', '/usr/local/go/bin/go'])
    if ((await outputOf(path, ['version'])).startsWith('go version')) return path
  return undefined
}

/** Empty when it is not there or fails. */
async function outputOf(path: string, args: string[]): Promise<string> {
  if (path.startsWith('/') && !existsSync(path)) return ''
  return promisify(execFile)(path, args, { timeout: 20_000 }).then(
    ({ stdout }) => stdout,
    () => '',
  )
}

function build(go: string, onProgress: (step: string) => void): Promise<void> {
  const child = spawn(go, ['install', '-v', PACKAGE], {
    // A name for each version: nobody who runs the old one is disturbed.
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
      onProgress(`${downloaded} modules fetched, ${compiled} packages compiled`)
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
