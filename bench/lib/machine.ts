import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { migrate } from '../../core/db/migrate.ts'
import { removeDataDirectory } from '../../tools/postgres/data-directory.ts'
import { startPostgresServer } from '../../tools/postgres/postgres-server.ts'

/** Runs `work` with a Postgres of its own, with durability on, and removes it afterwards. */
export async function withPostgres(
  work: (postgres: BenchPostgres) => Promise<void>,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  chmodSync(home, 0o755)
  const server = await startPostgresServer({ home })
  try {
    const template = server.url.replace(/\w+$/, 'bench_template')
    await admin(server.url, 'CREATE DATABASE bench_template')
    await migrate(template)
    let count = 0
    await work({
      pid: server.pid,
      async createDatabase() {
        const name = `bench_${++count}`
        await admin(server.url, `CREATE DATABASE ${name} TEMPLATE bench_template`)
        return server.url.replace(/\w+$/, name)
      },
      async dropDatabase(url) {
        const name = url.split('/').pop() ?? ''
        await waitUntilUnused(server.adminUrl, name)
        await admin(server.url, `DROP DATABASE ${name} WITH (FORCE)`)
      },
      checkpoint: () => admin(server.adminUrl, 'CHECKPOINT'),
      adminUrlOf: (url) => server.adminUrl.replace(/\w+$/, url.split('/').pop() ?? ''),
    })
  } finally {
    await server.stop()
    removeDataDirectory(home)
    rmSync(home, { recursive: true, force: true })
  }
}

export interface BenchPostgres {
  /** The postmaster's. */
  pid: number
  /** @returns the URL of a migrated, empty database */
  createDatabase(): Promise<string>
  dropDatabase(url: string): Promise<void>
  checkpoint(): Promise<void>
  /** The same database as superuser. */
  adminUrlOf(url: string): string
}

/** A pool has ended before its connections have: one that is terminated then is an error that nobody handles. */
async function waitUntilUnused(url: string, database: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  for (let attempt = 0; attempt < 100; attempt++) {
    const { rows } = await client.query(
      'SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = $1',
      [database],
    )
    if (rows[0].count === 0) break
    await sleep(20)
  }
  await client.end()
}

async function admin(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(sql)
  await client.end()
}

/** CPU seconds (user and system) of a process and all its descendants, including ended ones. Linux only. */
export function cpuSeconds(pid: number): number {
  const ticks = new Map<number, { parent: number; own: number; waited: number }>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8')
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number)
      ticks.set(Number(entry), {
        parent: fields[1] as number,
        own: (fields[11] as number) + (fields[12] as number),
        waited: (fields[13] as number) + (fields[14] as number),
      })
    } catch {
      // The process ended meanwhile; its parent has its times.
    }
  }
  const sum = (root: number): number => {
    const process = ticks.get(root)
    if (!process) return 0
    let total = process.own + process.waited
    for (const [child, { parent }] of ticks) if (parent === root) total += sum(child)
    return total
  }
  return sum(pid) / 100
}

/** CPU seconds (user and system) of the whole machine since its start. Linux only. */
export function machineCpuSeconds(): number {
  const match = /^cpu +(\d+) (\d+) (\d+)/.exec(readFileSync('/proc/stat', 'utf8')) ?? []
  const [user = 0, nice = 0, system = 0] = match.slice(1).map(Number)
  return (user + nice + system) / 100
}

const CPU_CONTROLLER = '/sys/fs/cgroup/cpu'
const QUOTA_PERIOD_US = 20_000

/**
 * Limits a process to a number of cores, like a smaller machine.
 * @returns removes the limit; call it after the process ended
 * @throws without root, or where cgroup v1 has no cpu controller
 */
export function limitToCores(pid: number, cores: number): () => void {
  if (!existsSync(join(CPU_CONTROLLER, 'cpu.cfs_quota_us')))
    throw new Error(`cgroup v1 has no cpu controller at ${CPU_CONTROLLER}`)
  const group = join(CPU_CONTROLLER, `sluice-bench-${pid}`)
  mkdirSync(group)
  writeFileSync(join(group, 'cpu.cfs_period_us'), String(QUOTA_PERIOD_US))
  writeFileSync(join(group, 'cpu.cfs_quota_us'), String(Math.round(cores * QUOTA_PERIOD_US)))
  writeFileSync(join(group, 'cgroup.procs'), String(pid))
  return () => rmdirSync(group)
}

/** Resident memory of one process in MiB. Linux only. */
export function residentMiB(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1] ?? 0) / 1024
}
