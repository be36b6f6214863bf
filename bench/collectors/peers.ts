import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { ROOT } from '../../core/lib/paths.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { attachWatchdog } from '../../tools/process/watchdog.ts'
import { findGo } from '../k6/binary.ts'

/** The collectors that Sluice is compared with: no limits, no validation, no deduplication. */
export interface Peer {
  url: string
  pid: number
  stop(): Promise<unknown>
}

export interface PeerOptions {
  brokers: readonly string[]
  topic: string
  /** The only key it knows. */
  key: string
}

const SOURCE = join(ROOT, 'bench/collectors/go')
const BUILT = join(ROOT, 'node_modules/.cache/bench/go-collector')
const BUILD_MS_MAX = 300_000
const START_MS_MAX = 20_000

let isBuilt = false

/** @throws UsageError without Go, or when it cannot be built */
export async function startGoCollector(
  options: PeerOptions,
  onStep: (step: string) => void,
): Promise<Peer> {
  if (!isBuilt) {
    const go = await findGo()
    if (!go)
      throw new UsageError(
        'Go is not on PATH.',
        'Install it (https://go.dev/dl/), or leave the arm out with --arms.',
      )
    onStep('Building bench/collectors/go')
    await promisify(execFile)(go, ['build', '-o', BUILT, '.'], {
      cwd: SOURCE,
      timeout: BUILD_MS_MAX,
    })
    isBuilt = true
  }
  return start(BUILT, [], options)
}

export function startNodeCollector(options: PeerOptions): Promise<Peer> {
  // kafkajs 2.2.4 sets timers with negative times.
  const flags = ['--disable-warning=TimeoutNegativeWarning']
  return start(process.execPath, [...flags, join(ROOT, 'bench/collectors/node/server.ts')], options)
}

/** Resolves when it has printed its address. */
async function start(
  command: string,
  args: string[],
  { brokers, topic, key }: PeerOptions,
): Promise<Peer> {
  const child = spawn(command, args, {
    env: {
      ...process.env,
      COLLECTOR_BROKERS: brokers.join(','),
      COLLECTOR_TOPIC: topic,
      COLLECTOR_KEY: key,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const pid = child.pid as number
  const detach = attachWatchdog(pid, 'TERM')
  const stop = () => {
    detach()
    child.kill()
    return exited
  }
  const [url] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line', {
      signal: AbortSignal.timeout(START_MS_MAX),
    }),
    exited.then(([code]) => {
      throw new Error(`${command} ended with ${code}`)
    }),
  ]).catch(async (error) => {
    await stop()
    throw error
  })
  return { url, pid, stop }
}
