import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { findRunning } from '../../local/run-file.ts'
import { findBinaries } from '../../tools/postgres/binaries.ts'
import { findFreePort } from '../../tools/process/ports.ts'
import type { Terminal } from '../terminal.ts'

interface Finding {
  what: string
  ok: boolean
  says: string
  /** What mends it. */
  mend?: string
}

export function doctorCommand(config: Config, terminal: Terminal): Command {
  return new Command('doctor')
    .description('what is missing on this machine, and how to mend it')
    .option('--json', 'for a script')
    .action(async (options) => {
      const findings = await examine(config)
      if (options.json) terminal.json(findings)
      else
        for (const { what, ok, says, mend } of findings) {
          terminal.say(`${ok ? terminal.accent('✓') : '✗'} ${what.padEnd(12)} ${says}`)
          if (!ok && mend) terminal.say(`  ${''.padEnd(12)} ${mend}`)
        }
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1
    })
}

const FREE_BYTES_MIN = 2 * 2 ** 30

async function examine(config: Config): Promise<Finding[]> {
  const run = findRunning(config.home)
  const findings = [
    attempt('Node', () => `${process.version}`, 'Sluice needs Node 24: npm install'),
    attempt(
      'Postgres',
      () => `${findBinaries().version} from npm`,
      'npm install, without --omit=optional',
    ),
    attempt(
      'workerd',
      () => createRequire(import.meta.url)('workerd/package.json').version,
      'npm install',
    ),
    attempt(
      'data folder',
      () => {
        mkdirSync(config.home, { recursive: true })
        const { bavail, bsize } = statfsSync(config.home)
        if (bavail * bsize < FREE_BYTES_MIN)
          throw new Error(`only ${Math.round((bavail * bsize) / 2 ** 20)} MiB are free on its disk`)
        return `${config.home}, ${Math.round((bavail * bsize) / 2 ** 30)} GiB free`
      },
      'Free some space, or set SLUICE_HOME to a folder on another disk.',
    ),
  ]
  if (run) {
    findings.push(
      await ask('edge', `${run.edge_url}/healthz`),
      await ask('core', `${run.core_url}/readyz`),
    )
  } else {
    for (const [what, port] of [
      ['edge port', 8787],
      ['core port', config.corePort],
    ] as const) {
      const free = (await findFreePort(port)) === port
      findings.push({
        what,
        ok: true,
        says: free ? `${port} is free` : `${port} is taken; the start will take the next free one`,
      })
    }
    findings.push({
      what: 'running',
      ok: true,
      says: `no; ${existsSync(`${config.home}/postgres`) ? 'data of an earlier run is there' : 'never yet'}. Start with "npm start".`,
    })
  }
  return findings
}

function attempt(what: string, look: () => string, mend: string): Finding {
  try {
    return { what, ok: true, says: look() }
  } catch (error) {
    return { what, ok: false, says: (error as Error).message, mend }
  }
}

async function ask(what: string, url: string): Promise<Finding> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(3_000) })
    const says = response.ok
      ? 'answers'
      : `answers ${response.status}: ${(await response.text()).slice(0, 200)}`
    return {
      what,
      ok: response.ok,
      says,
      mend: 'Its log file says more; "npx sluice stop" and "npm start" begin anew.',
    }
  } catch (error) {
    return {
      what,
      ok: false,
      says: `does not answer (${(error as Error).message})`,
      mend: '"npx sluice stop", then "npm start".',
    }
  }
}
