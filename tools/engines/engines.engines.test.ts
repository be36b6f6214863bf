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

describe('engines as a part of tests', () => {
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

  test('each answers, on loopback alone, and the topics are there', async () => {
    await write(engines, 'first')
    expect(await read(engines)).toEqual({ postgres: ['first'], redis: ['first'], kafka: ['first'] })
    await withLog(engines, async (log) => {
      expect(await log.offsets(TOPICS.raw.name)).toHaveLength(TOPICS.raw.partitions)
      expect(await log.offsets(TOPICS.deadLetters.name)).toHaveLength(TOPICS.deadLetters.partitions)
    })
    for (const pid of pidsOf(engines)) expect(listensBeyondLoopback(pid)).toBe(false)
  })

  test('each comes back after a kill -9 with all that it acknowledged, and none of them by itself but Postgres', async () => {
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

  test('a stop ends them all, and the next start of the folder finds their data, wherever its ports are', async () => {
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

  test('a taken port is no reason to fail: the next free one is taken, and said', async () => {
    const other = makeHome()
    const port = Number(new URL(engines.redis?.url ?? '').port)
    const second = await startEngines({ home: other, redis: true, ports: { redis: port } })
    expect(second.redis?.url).toMatch(/^redis:\/\/127\.0\.0\.1:\d+$/)
    expect(second.redis?.url).not.toBe(engines.redis?.url)
    await second.stop()
    await removeHome(other)
  })

  test('one that cannot start says why, and those that did are stopped again', async () => {
    const other = makeHome()
    mkdirSync(join(other, 'redis', 'appendonlydir'), { recursive: true })
    writeFileSync(join(other, 'redis', 'appendonlydir', 'appendonly.aof.manifest'), 'broken\n')
    const starting = startEngines({ home: other, postgres: true, redis: true })
    await expect(starting).rejects.toThrow(/^Redis ended while starting: .*manifest.*redis\.log/s)
    expect(readPostmasterPid(findDataDirectory(join(other, 'postgres')).dataFolder)).toBeUndefined()
    await removeHome(other)
  })
})

test('three brokers carry on with what was acknowledged when one of them is killed, and take it back', async () => {
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
    // One that was not answered may have been appended all the same.
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
  test('starts them and returns; a second start finds the running ones', async () => {
    first = await state('start')
    expect(await state('start')).toEqual(first)
    expect((await command('start')).out).toContain('The engines run already.')
    expect(await state('status')).toMatchObject({
      ...first,
      answers: { Postgres: true, Redis: true, Kafka: true },
    })
    const other = await command('start', '--brokers', '3')
    expect(other.err).toContain('The engines run already, with 1 Kafka broker.')
    expect(other.code).toBe(1)
  })

  test('the command that it prints runs a core on them', async () => {
    const line = (await command('start')).out.split('\n').find((each) => each.includes('npm exec'))
    const core = spawn('sh', ['-c', `exec ${line?.trim()}`], {
      cwd: ROOT,
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    let said = ''
    core.stdout.on('data', (chunk) => {
      said += chunk
    })
    try {
      await expect.poll(() => said, { timeout: 30_000 }).toContain('"msg":"ready"')
      const url = /"url":"(.*?)"/.exec(said)?.[1]
      expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
        checks: { postgres: 'ok', log: 'ok' },
      })
    } finally {
      process.kill(-(core.pid as number), 'SIGTERM')
      await once(core, 'exit')
    }
  })

  test('an engine that ends by itself is started again at its place', async () => {
    process.kill(first.redis_pid as number, 'SIGKILL')
    await expect
      .poll(async () => (await state('status')).redis_pid, { timeout: 20_000, interval: 500 })
      .not.toBe(first.redis_pid)
    await expect
      .poll(async () => (await command('status')).code, { timeout: 20_000, interval: 500 })
      .toBe(0)
    expect((await state('status')).redis_url).toBe(first.redis_url)
  })

  test('killed, its keeper takes them along, and the next start is at the same places', async () => {
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

  test('stop ends all of them, and says so when there is nothing to stop', async () => {
    const { pid, redis_pid, postgres_pid, kafka_pids } = await state('status')
    expect((await command('stop')).out).toBe('Stopped.\n')
    expect(
      [pid, redis_pid, postgres_pid, ...kafka_pids].filter((each) => isAlive(each as number)),
    ).toEqual([])
    expect((await command('stop')).out).toBe('No engines were running.\n')
  })

  test('on a machine without Java and Redis it names them, and the command that brings them', async () => {
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
    const said = await command(...args, '--json')
    if (said.code !== 0) throw new Error(said.err)
    return JSON.parse(said.out)
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

/** Any user may enter it: one of them runs Postgres when root starts us. */
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
    await client.query('CREATE TABLE IF NOT EXISTS kept (value text)')
    await client.query('INSERT INTO kept VALUES ($1)', [value])
  })
  await withRedis(engines, (redis) => redis.rpush('kept', value))
  await append(engines, value)
}

async function read(engines: Engines) {
  const rows = withPostgres(engines, (client) => client.query('SELECT value FROM kept ORDER BY 1'))
  return {
    postgres: (await rows).rows.map(({ value }) => value),
    redis: await withRedis(engines, (redis) => redis.lrange('kept', 0, -1)),
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

/** Only Linux tells without a tool. */
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
