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
import pg from 'pg'
import { migrate } from '../../core/db/migrate.ts'
import { removeDataDirectory } from '../../tools/postgres/data-directory.ts'
import { startPostgresServer } from '../../tools/postgres/postgres-server.ts'

/** A Postgres for one bench, with durability on; gone afterwards. */
export async function withPostgres(work: (at: BenchPostgres) => Promise<void>): Promise<void> {
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
      async fresh() {
        const name = `bench_${++count}`
        await admin(server.url, `CREATE DATABASE ${name} TEMPLATE bench_template`)
        return server.url.replace(/\w+$/, name)
      },
      async forget(url) {
        await admin(server.url, `DROP DATABASE ${url.split('/').pop()} WITH (FORCE)`)
      },
      checkpoint: () => admin(server.url, 'CHECKPOINT'),
    })
  } finally {
    await server.stop()
    removeDataDirectory(home)
    rmSync(home, { recursive: true, force: true })
  }
}

export interface BenchPostgres {
  /** Of the postmaster. */
  pid: number
  /** URL of a migrated, empty database. */
  fresh(): Promise<string>
  forget(url: string): Promise<void>
  checkpoint(): Promise<void>
}

async function admin(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(sql)
  await client.end()
}

/** CPU seconds, user and system, of a process and all its descendants, those that ended included. Linux only. */
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
      // It ended while we looked; its parent has waited for it.
    }
  }
  const sum = (at: number): number => {
    const process = ticks.get(at)
    if (!process) return 0
    let total = process.own + process.waited
    for (const [child, { parent }] of ticks) if (parent === at) total += sum(child)
    return total
  }
  return sum(pid) / 100
}

/** CPU seconds, user and system, of everything on this machine since it started. Linux only. */
export function machineCpuSeconds(): number {
  const found = /^cpu +(\d+) (\d+) (\d+)/.exec(readFileSync('/proc/stat', 'utf8')) ?? []
  const [user = 0, nice = 0, system = 0] = found.slice(1).map(Number)
  return (user + nice + system) / 100
}

const CPU_CONTROLLER = '/sys/fs/cgroup/cpu'
const QUOTA_PERIOD_US = 20_000

/**
 * Keeps a process to so many cores, as a smaller machine of its own would.
 * @returns to be called when it has ended
 * @throws without root, or where cgroup v1 has no cpu controller
 */
export function keepToCores(pid: number, cores: number): () => void {
  if (!existsSync(join(CPU_CONTROLLER, 'cpu.cfs_quota_us')))
    throw new Error(`there is no cpu controller of cgroup v1 at ${CPU_CONTROLLER}`)
  const group = join(CPU_CONTROLLER, `sluice-bench-${pid}`)
  mkdirSync(group)
  writeFileSync(join(group, 'cpu.cfs_period_us'), String(QUOTA_PERIOD_US))
  writeFileSync(join(group, 'cpu.cfs_quota_us'), String(Math.round(cores * QUOTA_PERIOD_US)))
  writeFileSync(join(group, 'cgroup.procs'), String(pid))
  return () => rmdirSync(group)
}

/** Resident memory of one process in MiB. Linux only. */
export function residentMiB(pid: number): number {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(found?.[1] ?? 0) / 1024
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** Aligned columns; the first is text, the others are numbers. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  '),
    )
    .join('\n')
}
