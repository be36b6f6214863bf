import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { findRunning } from '../../local/run-file.ts'
import { findBinaries } from '../../tools/postgres/binaries.ts'
import { findFreePort } from '../../tools/process/ports.ts'
import type { Terminal } from '../terminal.ts'

/** One thing that was checked. */
interface Finding {
  what: string
  ok: boolean
  message: string
  /** What to do about it. */
  fix?: string
}

export function createDoctorCommand(config: Config, terminal: Terminal): Command {
  return new Command('doctor')
    .description('Check what is missing on this machine and how to fix it')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const findings = await examine(config)
      if (options.json) terminal.printJson(findings)
      else
        for (const { what, ok, message, fix } of findings) {
          terminal.print(`${ok ? terminal.accent('✓') : '✗'} ${what.padEnd(12)} ${message}`)
          if (!ok && fix) terminal.print(`  ${''.padEnd(12)} ${fix}`)
        }
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1
    })
}

const FREE_BYTES_MIN = 2 * 2 ** 30
const MIB = 2 ** 20
const GIB = 2 ** 30

async function examine(config: Config): Promise<Finding[]> {
  const run = findRunning(config.home)
  return [
    check('Node', () => process.version, 'Sluice needs Node 24. Run: npm install'),
    check(
      'Postgres',
      () => `${findBinaries().version} from npm`,
      'Run npm install without --omit=optional.',
    ),
    check(
      'workerd',
      () => createRequire(import.meta.url)('workerd/package.json').version,
      'Run: npm install',
    ),
    check(
      'data folder',
      () => checkDataFolder(config.home),
      'Free some space, or set SLUICE_HOME to a folder on another disk.',
    ),
    ...(run
      ? [
          await checkUrl('edge', `${run.edge_url}/healthz`),
          await checkUrl('core', `${run.core_url}/readyz`),
        ]
      : [
          await checkPort('edge port', 8787),
          await checkPort('core port', config.corePort),
          notRunning(config.home),
        ]),
  ]
}

function check(what: string, examine: () => string, fix: string): Finding {
  try {
    return { what, ok: true, message: examine() }
  } catch (error) {
    return { what, ok: false, message: (error as Error).message, fix }
  }
}

function checkDataFolder(home: string): string {
  mkdirSync(home, { recursive: true })
  const { bavail, bsize } = statfsSync(home)
  const free = bavail * bsize
  if (free < FREE_BYTES_MIN)
    throw new Error(`only ${Math.round(free / MIB)} MiB are free on its disk`)
  return `${home}, ${Math.round(free / GIB)} GiB free`
}

async function checkPort(what: string, port: number): Promise<Finding> {
  const isFree = (await findFreePort(port)) === port
  const message = isFree
    ? `${port} is free`
    : `${port} is taken; "npm start" uses the next free port`
  return { what, ok: true, message }
}

function notRunning(home: string): Finding {
  const hasData = existsSync(`${home}/postgres`)
  return {
    what: 'running',
    ok: true,
    message: `no; ${hasData ? 'with data of an earlier run' : 'no data yet'}. Start it with "npm start".`,
  }
}

async function checkUrl(what: string, url: string): Promise<Finding> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(3_000) })
    if (response.ok) return { what, ok: true, message: 'healthy' }
    return {
      what,
      ok: false,
      message: `status ${response.status}: ${(await response.text()).slice(0, 200)}`,
      fix: 'See its log file, or restart: "npm run sluice -- stop", then "npm start".',
    }
  } catch (error) {
    return {
      what,
      ok: false,
      message: `no response (${(error as Error).message})`,
      fix: 'Restart: "npm run sluice -- stop", then "npm start".',
    }
  }
}
