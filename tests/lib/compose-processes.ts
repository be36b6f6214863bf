import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { createLifecycle } from '../../core/lifecycle.ts'
import { createEngineProcess } from '../../tools/engines/engine-process.ts'
import { ensureKafkaJars } from '../../tools/engines/kafka-jars.ts'
import { createKafkaNode } from '../../tools/engines/kafka-node.ts'
import { removeDataDirectory } from '../../tools/postgres/data-directory.ts'
import { startPostgresServer } from '../../tools/postgres/postgres-server.ts'
import { stopLeftovers } from '../../tools/process/pid-file.ts'
import { findFreeServicePort } from '../../tools/process/ports.ts'
import type { SupervisedProcess } from '../../tools/process/supervised-process.ts'
import type { ComposeFile, ComposeService } from './compose-file.ts'
import { createImages } from './image.ts'

/**
 * Every service of docker-compose.yml as processes of this machine, in the order of `depends_on`: the command, the
 * environment and the health check that stand in the file, in a folder that holds what the service's image would.
 * Changed is nothing but where they find each other: `kafka:9092` becomes a port of loopback.
 */
export interface ComposeProcesses {
  /** Where a service is reached from here, e.g. `url('core', 4000)`. */
  url(service: string, port: number): string
  /** By service; as many as `deploy.replicas` declares. */
  running: Map<string, SupervisedProcess[]>
  /** As `docker compose exec <service> …`. */
  exec(service: string, command: string[]): Promise<Ended>
  /** As `docker compose logs <service>`. */
  logs(service: string): string
  /** In reverse, each by SIGTERM. */
  stop(): Promise<void>
}

export interface Ended {
  code: number | null
  out: string
}

const START_MS_MAX = 60_000
const COMMAND_MS_MAX = 60_000
const STOP_STEPS = [
  { signal: 'SIGTERM', graceMs: 25_000 },
  { signal: 'SIGKILL', graceMs: 2_000 },
] as const

interface PlannedService {
  name: string
  service: ComposeService
  home: string
  /** Of its image; none for the engines, which are this machine's. */
  root: string | undefined
  cwd: string
  command: string[]
  env: Record<string, string>
  healthCheck: string[] | undefined
}

export async function startCompose({ services }: ComposeFile): Promise<ComposeProcesses> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-compose-'))
  chmodSync(folder, 0o755)
  const lifecycle = createLifecycle({ stepMsMax: 30_000, totalMsMax: 90_000 })
  lifecycle.onStop('folder', async () => {
    await stopLeftovers(folder)
    removeDataDirectory(join(folder, 'postgres'))
    rmSync(folder, { recursive: true, force: true })
  })
  const ports = await findPorts(services)
  const planned = new Map<string, PlannedService>()
  const running = new Map<string, SupervisedProcess[]>()
  const imageOf = createImages(join(folder, 'images'))

  async function planService(name: string, service: ComposeService): Promise<PlannedService> {
    const root = service.build ? await imageOf(service.build.target) : undefined
    const here = (text: string | number) => onLoopback(String(text), name, ports)
    const runnable = ([program = '', ...args]: string[]) => [
      programOf(root, program),
      ...args.map(here),
    ]
    const { command = [], environment = {}, healthcheck } = service
    const [kind, ...test] = healthcheck?.test ?? []
    const env = Object.fromEntries(
      Object.entries(environment).map(([key, value]) => [
        key,
        /^(SLUICE_COLLECTOR_)?PORT$/.test(key)
          ? String(ports.get(`${name}:${value}`))
          : here(value),
      ]),
    )
    return {
      name,
      service,
      home: join(folder, name),
      root,
      cwd: root ? join(root, 'app') : folder,
      command: runnable(command),
      // A container has none of this process's environment.
      env: { PATH: process.env.PATH ?? '', ...env },
      healthCheck:
        kind === undefined
          ? undefined
          : runnable(kind === 'CMD-SHELL' ? ['sh', '-c', ...test] : test),
    }
  }

  async function start(name: string): Promise<void> {
    const at = planned.get(name) as PlannedService
    const started = await (BY_NAME[name] ?? startOurs)(at, ports)
    running.set(name, started)
    lifecycle.onStop(name, () => Promise.all(started.map((each) => each.stop())))
    // That one's image has a program that this machine lacks; its start asked already.
    if (name !== 'postgres' && at.healthCheck) await untilHealthy(at)
  }

  try {
    for (const [name, service] of Object.entries(services))
      planned.set(name, await planService(name, service))
    for (const name of inOrder(services)) {
      const at = planned.get(name) as PlannedService
      if (!isOneShot(name, services)) await start(name)
      else {
        const { code, out } = await run(at, at.command)
        if (code !== 0) throw new Error(`${name} ended with ${code}: ${out}`)
      }
    }
  } catch (error) {
    await lifecycle.stop().catch(() => {})
    throw error
  }

  return {
    running,
    url: (name, port) => `http://127.0.0.1:${ports.get(`${name}:${port}`)}`,
    exec(name, [program = '', ...args]) {
      const at = planned.get(name) as PlannedService
      return run(at, [programOf(at.root, program), ...args])
    },
    logs: (name) =>
      readdirSync(folder)
        .filter((each) => each.startsWith(`${name}-`) && each.endsWith('.log'))
        .map((each) => readFileSync(join(folder, each), 'utf8'))
        .join('\n'),
    stop: () => lifecycle.stop(),
  }
}

/** The engines: what their images' entry points do besides running the command, done here. */
const BY_NAME: Record<
  string,
  (at: PlannedService, ports: ReadonlyMap<string, number>) => Promise<SupervisedProcess[]>
> = {
  async postgres({ home, command, env }, ports) {
    const settings = command.slice(1).map((arg) => /^-c(\w+)=(.*)$/.exec(arg)?.slice(1) ?? [])
    const { POSTGRES_USER: user, POSTGRES_DB: database, POSTGRES_PASSWORD: password = '' } = env
    if (user !== 'sluice' || database !== 'sluice') throw new Error('another user or database')
    mkdirSync(home)
    chmodSync(home, 0o755)
    const server = await startPostgresServer({
      home,
      port: ports.get('postgres:5432'),
      settings: Object.fromEntries(settings),
    })
    const client = new pg.Client(server.adminUrl)
    await client.connect()
    await client.query(`ALTER ROLE sluice PASSWORD ${client.escapeLiteral(password)}`)
    await client.end()
    return [
      {
        pid: server.pid,
        start: async () => {},
        stop: () => server.stop(),
        kill: () => server.stop(),
      },
    ]
  },
  async redis(at, ports) {
    mkdirSync(at.home)
    const where = [
      '--port',
      String(ports.get('redis:6379')),
      '--bind',
      '127.0.0.1',
      '--dir',
      at.home,
    ]
    return await startOurs({ ...at, command: [...at.command, ...where] })
  },
  async kafka(at) {
    const { CLUSTER_ID: clusterId = '', KAFKA_HEAP_OPTS: heap, ...env } = at.env
    if (heap !== '-Xmx512m') throw new Error('the heap differs from that of the engines')
    // As the image does: KAFKA_LOG_DIRS is log.dirs.
    const properties = Object.entries(env)
      .filter(([name]) => name.startsWith('KAFKA_'))
      .map(([name, value]) => [name.slice(6).toLowerCase().replaceAll('_', '.'), value])
    const volume = at.service.volumes?.[0]?.split(':')[1]
    if (env.KAFKA_LOG_DIRS !== volume) throw new Error('the data would not be in the volume')
    const node = createKafkaNode({
      name: 'kafka',
      home: at.home,
      jars: await ensureKafkaJars(),
      properties: { ...Object.fromEntries(properties), 'log.dirs': join(at.home, 'data') },
      clusterId,
      isReady: async () => (await run(at, at.healthCheck ?? [])).code === 0,
    })
    await node.start()
    return [node]
  },
}

async function startOurs(at: PlannedService): Promise<SupervisedProcess[]> {
  const [command = '', ...args] = at.command
  const replicas = Array.from({ length: at.service.deploy?.replicas ?? 1 }, (_, i) =>
    createEngineProcess({
      name: at.name,
      command,
      args,
      home: `${at.home}-${i + 1}`,
      cwd: at.root && at.cwd,
      env: at.env,
      isReady: async () => (await run(at, at.healthCheck ?? [])).code === 0,
      startMsMax: START_MS_MAX,
      stopSteps: STOP_STEPS,
    }),
  )
  await Promise.all(replicas.map((each) => each.start()))
  return replicas
}

/** The base image brings Node; what else an image has of its own is in its /usr/local/bin. */
function programOf(root: string | undefined, program: string): string {
  if (root && program === 'node') return process.execPath
  const own = join(root ?? '', 'usr/local/bin', program)
  return root && existsSync(own) ? own : program
}

async function untilHealthy(at: PlannedService): Promise<void> {
  const deadline = Date.now() + START_MS_MAX
  for (;;) {
    const { code, out } = await run(at, at.healthCheck ?? [])
    if (code === 0) return
    if (Date.now() > deadline) throw new Error(`${at.name} does not become healthy: ${out}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function run(
  { cwd, env }: PlannedService,
  [program = '', ...args]: string[],
): Promise<Ended> {
  const child = spawn(program, args, {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: COMMAND_MS_MAX,
    killSignal: 'SIGKILL',
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, out: out || err }
}

/** A free port for each that somebody listens on, e.g. `kafka:9093`. */
async function findPorts(services: ComposeFile['services']): Promise<Map<string, number>> {
  const listening = ['postgres:5432', 'redis:6379', 'kafka:9092', 'kafka:9093', 'kafka:9094']
  for (const [name, { ports = [] }] of Object.entries(services))
    for (const port of ports) listening.push(`${name}:${port.split(':').at(-1)}`)
  const found = new Map<string, number>()
  for (const each of listening) found.set(each, await findFreeServicePort())
  if (new Set(found.values()).size < found.size) return findPorts(services)
  return found
}

/** `kafka:9092` and, of a service's own, `*:8787`, `://:9092`, `127.0.0.1/8787` and `-p 6379`. */
function onLoopback(text: string, name: string, ports: ReadonlyMap<string, number>): string {
  const own = (port: string) => ports.get(`${name}:${port}`) ?? port
  return text
    .replace(/(127\.0\.0\.1)([:/])(\d+)/g, (_, host, sign, port) => `${host}${sign}${own(port)}`)
    .replace(
      /(:\/\/|\*):(\d+)(?![\w@])/g,
      (_, before, port) => `${before === '*' ? '' : before}127.0.0.1:${own(port)}`,
    )
    .replace(/ -p (\d+)/g, (_, port) => ` -p ${own(port)}`)
    .replace(/\b([a-z]+)([:/])(\d{4})\b/g, (found, host, sign, port) => {
      const place = ports.get(`${host}:${port}`)
      return place === undefined ? found : `127.0.0.1${sign}${place}`
    })
    .replace(/^0\.0\.0\.0$/, '127.0.0.1')
}

function isOneShot(name: string, services: ComposeFile['services']): boolean {
  return Object.values(services).some(
    ({ depends_on = {} }) => depends_on[name]?.condition === 'service_completed_successfully',
  )
}

/** A service comes after those it depends on. */
function inOrder(services: ComposeFile['services']): string[] {
  const order: string[] = []
  const visit = (name: string) => {
    if (order.includes(name)) return
    for (const first of Object.keys(services[name]?.depends_on ?? {})) visit(first)
    order.push(name)
  }
  for (const name of Object.keys(services)) visit(name)
  return order
}
