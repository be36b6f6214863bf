import { createEngineProcess, type EngineProcess } from '../process/supervised-process.ts'
import { redisAnswers } from './probes.ts'

export interface RedisEngineOptions {
  home: string
  port: number
  onRestart?: (why: string) => void
}

/** Loading a large append-only file takes a while. */
const START_MS_MAX = 60_000

/** The system's redis-server on loopback, with an append-only file: what it acknowledged survives its end. */
export function createRedisEngine({ home, port, onRestart }: RedisEngineOptions): EngineProcess {
  const settings = {
    bind: '127.0.0.1',
    port,
    dir: home,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    // Leases and counters: a key too many shall be refused, and none forgotten.
    maxmemory: '256mb',
    'maxmemory-policy': 'noeviction',
  }
  return createEngineProcess({
    name: 'Redis',
    command: 'redis-server',
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    home,
    answers: () => redisAnswers(port),
    startMsMax: START_MS_MAX,
    stopSteps: [
      { signal: 'SIGTERM', graceMs: 5_000 },
      { signal: 'SIGKILL', graceMs: 1_000 },
    ],
    onRestart,
  })
}
