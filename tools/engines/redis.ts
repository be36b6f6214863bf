import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { EDGES_USER_RULES } from '../../core/gateway/redis/edges-user.ts'
import type { SupervisedProcess } from '../process/supervised-process.ts'
import { createEngineProcess } from './engine-process.ts'

export interface RedisEngineOptions {
  home: string
  port: number
  onRestart?: (message: string) => void
}

/** Loading a large append-only file takes a while. */
const START_MS_MAX = 60_000
const PROBE_MS_MAX = 2_000

/** The system's redis-server on loopback, with an append-only file: acknowledged writes survive its end. */
export function createRedisEngine({
  home,
  port,
  onRestart,
}: RedisEngineOptions): SupervisedProcess {
  const settings = {
    bind: '127.0.0.1',
    port,
    dir: home,
    aclfile: writeUsers(home),
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    // It holds leases and counters: a write that does not fit must fail, and nothing may be evicted.
    maxmemory: '256mb',
    'maxmemory-policy': 'noeviction',
  }
  return createEngineProcess({
    name: 'Redis',
    command: 'redis-server',
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    home,
    isReady: () => isRedisReady(port),
    startMsMax: START_MS_MAX,
    stopSteps: [
      { signal: 'SIGTERM', graceMs: 5_000 },
      { signal: 'SIGKILL', graceMs: 1_000 },
    ],
    onRestart,
  })
}

/** The URL of the Redis of this home as the user of edges (SLUICE_REDIS_BRIDGE_URL). */
export function redisBridgeUrl(home: string, port: number): string {
  return `redis://edges:${ensureEdgesPassword(home)}@127.0.0.1:${port}`
}

/** The user of core, `default`, needs no password on loopback; that of edges has one, so that the two are not mixed up. */
function writeUsers(home: string): string {
  const file = join(home, 'users.acl')
  const hash = createHash('sha256').update(ensureEdgesPassword(home)).digest('hex')
  const users = ['default on nopass ~* &* +@all', `edges on #${hash} ${EDGES_USER_RULES}`]
  writeFileSync(file, users.map((user) => `user ${user}\n`).join(''), { mode: 0o600 })
  return file
}

function ensureEdgesPassword(home: string): string {
  mkdirSync(home, { recursive: true })
  const file = join(home, 'edges.password')
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  const password = randomBytes(24).toString('base64url')
  writeFileSync(file, `${password}\n`, { mode: 0o600 })
  return password
}

/** Whether the Redis on this port of loopback replies to PING within 2 s. */
export function isRedisReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const end = (isReady: boolean) => {
      socket.destroy()
      resolve(isReady)
    }
    // While it loads its file it replies -LOADING.
    socket.once('data', (bytes) => end(bytes.toString().startsWith('+PONG')))
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
    socket.setTimeout(PROBE_MS_MAX, () => end(false))
  })
}
