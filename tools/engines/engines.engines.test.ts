import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TOPICS } from '../../contract/log/topics.ts'
import { ROOT } from '../../core/lib/paths.ts'
import { createKafkaLog } from '../../core/log/kafka/kafka-log.ts'
import { findDataDirectory, removeDataDirectory } from '../postgres/data-directory.ts'
import { readPostmasterPid } from '../postgres/postgres-server.ts'
import { stopLeftovers } from '../process/pid-file.ts'
import { isAlive, waitUntilEnded } from '../process/processes.ts'
import { type Engines, startEngines } from './engines.ts'
import type { EnginesState } from './state.ts'

describe('the engines of startEngines', () => {
  let home: string
  let engines: Engines
  beforeAll(async () => {
    home = makeHome()
    engines = await startEngines({ home, kafka: { brokers: 1 }, redis: true, postgres: true })
  })
  afterAll(async () => {
    await engines?.stop()
    await removeHome(home)
  })

  test('respond on loopback only, and the topics exist', async () => {
    await write(engines, 'first')
    expect(await read(engines)).toEqual({ postgres: ['first'], redis: ['first'], kafka: ['first'] })
    await withLog(engines, async (log) => {
      expect(await log.offsets(TOPICS.raw.name)).toHaveLength(TOPICS.raw.partitions)
      expect(await log.offsets(TOPICS.deadLetters.name)).toHaveLength(TOPICS.deadLetters.partitions)
    })
    for (const pid of pidsOf(engines)) expect(listensBeyondLoopback(pid)).toBe(false)
  })

  test('have everything they acknowledged after kill -9; only Postgres restarts by itself', async () => {
    const before = pidsOf(engines)
    await write(engines, 'second')
    for (const pid of before) process.kill(pid, 'SIGKILL')
    for (const pid of before) expect(await waitUntilEnded(pid, 10_000)).toBe(true)
    await expect
      .poll(() => [engines.redis?.pid, engines.kafka?.pids])
      .toEqual([undefined, [undefined]])
    await engines.redis?.start()
    await engines.kafka?.nodes[0]?.start()
    await expect
      .poll(() => read(engines), { timeout: 30_000 })
      .toEqual({
        postgres: ['first', 'second'],
        redis: ['first', 'second'],
        kafka: ['first', 'second'],
      })
    expect(pidsOf(engines).filter((pid) => before.includes(pid))).toEqual([])
  })

  test('are all ended by a stop, and the next start on the folder finds their data on any ports', async () => {
    const before = pidsOf(engines)
    await engines.stop()
    expect(before.filter(isAlive)).toEqual([])
    engines = await startEngines({ home, kafka: { brokers: 1 }, redis: true, postgres: true })
    expect(await read(engines)).toEqual({
      postgres: ['first', 'second'],
      redis: ['first', 'second'],
      kafka: ['first', 'second'],
    })
  })

  test('use the next free port when one is taken', async () => {
    const other = makeHome()
    const port = Number(new URL(engines.redis?.url ?? '').port)
    const second = await startEngines({ home: other, redis: true, ports: { redis: port } })
    expect(second.redis?.url).toMatch(/^redis:\/\/127\.0\.0\.1:\d+$/)
    expect(second.redis?.url).not.toBe(engines.redis?.url)
    await second.stop()
    await removeHome(other)
  })

  test('are stopped again when one of them cannot start, and the error says why', async () => {
    const other = makeHome()
    mkdirSync(join(other, 'redis', 'appendonlydir'), { recursive: true })
    writeFileSync(join(other, 'redis', 'appendonlydir', 'appendonly.aof.manifest'), 'broken\n')
    const starting = startEngines({ home: other, postgres: true, redis: true })
    await expect(starting).rejects.toThrow(/^Redis ended while starting: .*manifest.*redis\.log/s)
    expect(readPostmasterPid(findDataDirectory(join(other, 'postgres')).dataFolder)).toBeUndefined()
    await removeHome(other)
  })
})

test('three brokers keep acknowledged records while one of them is down, and accept it again', async () => {
  const home = makeHome()
  // One cluster in 64 has an id like this.
  mkdirSync(join(home, 'kafka-3'))
  writeFileSync(join(home, 'kafka-3', 'cluster-id'), '-bzUAw2rSXWhvdbLq7mE1Q')
  const engines = await startEngines({ home, kafka: { brokers: 3 } })
  try {
    await append(engines, 'before')
    await engines.kafka?.nodes[0]?.kill()
    await expect.poll(() => append(engines, 'without').catch(String), { timeout: 60_000 }).toBe(1)
    await engines.kafka?.nodes[0]?.start()
    // An append without a response may have been stored as well.
    expect([...new Set(await readKafka(engines))]).toEqual(['before', 'without'])
  } finally {
    await Promise.all(engines.kafka?.nodes.map((node) => node.kill()) ?? [])
    await engines.stop()
    await removeHome(home)
  }
})

describe('npm run engines', () => {
  let home: string
  beforeAll(() => {
    home = makeHome()
  })
  afterAll(async () => {
    await command('stop')
    await removeHome(join(home, 'engines'))
    await removeHome(home)
  })

  let first: EnginesState
  test('starts the engines and returns; a second start finds them running', async () => {
    first = await state('start')
    expect(await state('start')).toEqual(first)
    expect((await command('start')).out).toContain('The engines are already running.')
    expect(await state('status')).toMatchObject({
      ...first,
      responding: { Postgres: true, Redis: true, Kafka: true },
    })
    const other = await command('start', '--brokers', '3')
    expect(other.err).toContain('The engines are already running, with 1 Kafka broker.')
    expect(other.code).toBe(1)
  })

  test('prints a command that runs core on them', async () => {
    const line = (await command('start')).out.split('\n').find((each) => each.includes('npm exec'))
    const core = spawn('sh', ['-c', `exec ${line?.trim()}`], {
      cwd: ROOT,
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    let output = ''
    core.stdout.on('data', (chunk) => {
      output += chunk
    })
    try {
      await expect.poll(() => output, { timeout: 30_000 }).toContain('"msg":"ready"')
      const url = /"url":"(.*?)"/.exec(output)?.[1]
      expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
        checks: { postgres: 'ok', log: 'ok' },
      })
    } finally {
      process.kill(-(core.pid as number), 'SIGTERM')
      await once(core, 'exit')
    }
  })

  test('restarts an engine that ends by itself at the same address', async () => {
    process.kill(first.redis_pid as number, 'SIGKILL')
    await expect
      .poll(async () => (await state('status')).redis_pid, { timeout: 20_000, interval: 500 })
      .not.toBe(first.redis_pid)
    await expect
      .poll(async () => (await command('status')).code, { timeout: 20_000, interval: 500 })
      .toBe(0)
    expect((await state('status')).redis_url).toBe(first.redis_url)
  })

  test('ends the engines when its supervisor is killed, and the next start uses the same addresses', async () => {
    const { pid, ...engines } = await state('status')
    process.kill(pid, 'SIGKILL')
    for (const each of [engines.postgres_pid, engines.redis_pid, ...engines.kafka_pids])
      expect(await waitUntilEnded(each as number, 20_000)).toBe(true)
    expect((await command('status')).code).toBe(3)
    const next = await state('start')
    expect(next).toMatchObject({
      database_url: first.database_url,
      redis_url: first.redis_url,
      kafka_brokers: first.kafka_brokers,
    })
  })

  test('stop ends all engines, and reports when there is nothing to stop', async () => {
    const { pid, redis_pid, postgres_pid, kafka_pids } = await state('status')
    expect((await command('stop')).out).toBe('Stopped.\n')
    expect(
      [pid, redis_pid, postgres_pid, ...kafka_pids].filter((each) => isAlive(each as number)),
    ).toEqual([])
    expect((await command('stop')).out).toBe('No engines were running.\n')
  })

  test('names missing programs and the command that installs them', async () => {
    const bin = mkdtempSync(join(tmpdir(), 'sluice-bin-'))
    symlinkSync(process.execPath, join(bin, 'node'))
    const { code, err } = await run(['start'], { PATH: bin })
    rmSync(bin, { recursive: true })
    expect(err).toMatch(/Java 17(, Maven)? and redis-server are not on this machine's PATH\.\n/)
    expect(err).toMatch(/(apt-get|brew) install \S+/)
    expect(code).toBe(1)
  })

  const command = (...args: string[]) => run(args)
  async function state(...args: string[]): Promise<EnginesState> {
    const result = await command(...args, '--json')
    if (result.code !== 0) throw new Error(result.err)
    return JSON.parse(result.out)
  }
  async function run(
    args: string[],
    env = {},
  ): Promise<{ code: number; out: string; err: string }> {
    const child = spawn(process.execPath, [join(ROOT, 'cli/bin.mjs'), 'engines', ...args], {
      env: { ...process.env, NO_COLOR: '1', SLUICE_HOME: home, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    const code = await new Promise<number>((resolve) => child.once('close', resolve))
    return { code, out, err }
  }
})

/** Every user may enter it: another user runs Postgres when this test runs as root. */
function makeHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'sluice-engines-test-'))
  chmodSync(home, 0o755)
  return home
}

async function removeHome(home: string): Promise<void> {
  await stopLeftovers(home)
  removeDataDirectory(join(home, 'postgres'))
  rmSync(home, { recursive: true, force: true })
}

function pidsOf({ postgres, redis, kafka }: Engines): number[] {
  return [postgres?.pid, redis?.pid, ...(kafka?.pids ?? [])].map((pid) => pid ?? 0)
}

async function write(engines: Engines, value: string): Promise<void> {
  await withPostgres(engines, async (client) => {
    await client.query('CREATE TABLE IF NOT EXISTS stored (value text)')
    await client.query('INSERT INTO stored VALUES ($1)', [value])
  })
  await withRedis(engines, (redis) => redis.rpush('stored', value))
  await append(engines, value)
}

async function read(engines: Engines) {
  const rows = withPostgres(engines, (client) =>
    client.query('SELECT value FROM stored ORDER BY 1'),
  )
  return {
    postgres: (await rows).rows.map(({ value }) => value),
    redis: await withRedis(engines, (redis) => redis.lrange('stored', 0, -1)),
    kafka: await readKafka(engines),
  }
}

async function append(engines: Engines, value: string): Promise<number> {
  return withLog(engines, async (log) => {
    const record = { partition: 0, key: null, value: Buffer.from(value) }
    return (await log.append(TOPICS.raw.name, [record])).length
  })
}

function readKafka(engines: Engines): Promise<string[]> {
  return withLog(engines, async (log) => {
    const [bounds] = await log.offsets(TOPICS.raw.name)
    const values: string[] = []
    const options = {
      from: new Map([[0, 0]]),
      signal: AbortSignal.timeout(10_000),
      maxRecords: 1_000,
      minIntervalMs: 0,
    }
    for await (const { partitions } of log.batches(TOPICS.raw.name, options)) {
      for (const { records } of partitions)
        values.push(...records.map(({ value }) => value.toString()))
      if (values.length >= (bounds?.lastStableOffset ?? 0)) break
    }
    return values
  })
}

async function withLog<T>(
  { kafka }: Engines,
  work: (log: Awaited<ReturnType<typeof createKafkaLog>>) => Promise<T>,
): Promise<T> {
  const log = await createKafkaLog({ brokers: kafka?.brokers ?? [] })
  try {
    return await work(log)
  } finally {
    await log.close()
  }
}

async function withRedis<T>({ redis }: Engines, work: (redis: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(redis?.url ?? '', { maxRetriesPerRequest: 1 })
  client.on('error', () => {})
  try {
    return await work(client)
  } finally {
    client.disconnect()
  }
}

async function withPostgres<T>(
  { postgres }: Engines,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: postgres?.url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Linux shows it without a tool. */
function listensBeyondLoopback(pid: number): boolean {
  if (process.platform !== 'linux') return false
  const mine = new Set(inodesOf(pid))
  const tables = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n').slice(1),
  )
  return tables
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && mine.has(inode ?? ''))
    .some(([, local = '']) => !/^(0100007F|0000000000000000FFFF00000100007F):/.test(local))
}

function inodesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(join(folder, fd)))?.[1] ?? []
    } catch {
      // Closed meanwhile.
      return []
    }
  })
}
