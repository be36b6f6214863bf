import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRedisEngine, redisBridgeUrl } from '../../tools/engines/redis.ts'
import { findFreeServicePort } from '../../tools/process/ports.ts'

/** A real Redis of one test's own, to be killed, started again and frozen. */
export interface TestRedis {
  url: string
  /** As the user of edges. */
  bridgeUrl: string
  port: number
  readonly pid: number
  kill(): Promise<void>
  /** On the same port, with what it had written down. */
  start(): Promise<void>
  /** For good. */
  remove(): Promise<void>
}

export async function startTestRedis(): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-redis-'))
  const port = await findFreeServicePort()
  // Its log stands beside its home.
  const engine = createRedisEngine({ home: join(folder, 'redis'), port })
  await engine.start()
  return {
    url: `redis://127.0.0.1:${port}`,
    bridgeUrl: redisBridgeUrl(join(folder, 'redis'), port),
    port,
    get pid() {
      return engine.pid as number
    },
    start: () => engine.start(),
    kill: () => engine.kill(),
    async remove() {
      await engine.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
