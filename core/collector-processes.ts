import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { Config } from './config.ts'
import { checkCollectorExposure } from './exposure.ts'
import { backoffMs } from './lib/backoff.ts'
import type { Logger } from './lib/logger.ts'
import { pause } from './lib/pause.ts'
import { UsageError } from './lib/usage-error.ts'

/** After it a process that does not stop is killed; a collector closes within 8 s. */
const STOP_MS_MAX = 9_000
const RESTART = { baseMs: 100, maxMs: 10_000, steadyMs: 60_000 }

/** @throws UsageError for what others could read, and where processes would count the same limits, each for itself */
export function checkCollector(config: Config): void {
  const { collector, redisUrl, redisBridgeUrl } = config
  checkCollectorExposure(config)
  if (collector.processes > 1 && !redisUrl && !redisBridgeUrl)
    throw new UsageError(
      'SLUICE_COLLECTOR_PROCESSES is more than 1, but REDIS_URL is not set.',
      'Several processes share rate limits and Idempotency-Keys in Redis. Set REDIS_URL, or run one process.',
    )
}

/**
 * Further processes of this program with the role collector alone, on one port. One that ends is started again.
 * @returns stops them, after the requests under way
 * @throws UsageError when one ends before it listens
 */
export async function startCollectorProcesses(
  count: number,
  logger: Pick<Logger, 'warn'>,
): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController()
  const running = new Set<Worker>()
  cluster.setupPrimary({ args: ['collector'] })

  function start(attempt: number): Worker {
    const worker = cluster.fork()
    const startedAt = Date.now()
    running.add(worker)
    const restart = async (reason: string) => {
      // A process that could not be started has an error and no exit.
      if (!running.delete(worker) || stopping.signal.aborted) return
      const next = Date.now() - startedAt < RESTART.steadyMs ? attempt + 1 : 0
      const delayMs = backoffMs(next, RESTART)
      logger.warn({ reason, delayMs }, 'a collector ended, restarting it')
      await pause(delayMs, stopping.signal)
      if (!stopping.signal.aborted) start(next)
    }
    worker.once('exit', (code, signal) => restart(signal ?? `exit ${code}`))
    worker.on('error', (error) => restart(String(error)))
    return worker
  }

  async function stop(): Promise<void> {
    stopping.abort()
    const ends = [...running].map(ended)
    for (const { process } of running) process.kill('SIGTERM')
    const timer = setTimeout(() => {
      for (const { process } of running) process.kill('SIGKILL')
    }, STOP_MS_MAX)
    await Promise.all(ends)
    clearTimeout(timer)
  }

  const workers = Array.from({ length: count }, () => start(0))
  try {
    await Promise.all(workers.map(listening))
  } catch (error) {
    await stop()
    throw error
  }
  return { stop }
}

/** @throws when the process ends before: what is wrong with the first start will be wrong with the next one */
async function listening(worker: Worker): Promise<void> {
  const ends = ended(worker).then(() => {
    throw new UsageError(
      'A process of the collector ended before it listened.',
      'The lines above show why. Correct it and start again.',
    )
  })
  await Promise.race([once(worker, 'listening'), ends])
}

/** Also when it could not be started. */
async function ended(worker: Worker): Promise<void> {
  if (!worker.isDead()) await once(worker, 'exit').catch(() => {})
}
