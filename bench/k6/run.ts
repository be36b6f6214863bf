import { parseArgs } from 'node:util'
import { readConfig } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { running } from '../../local/run-file.ts'
import { startFleet } from '../../tests/lib/fleet.ts'
import { createTestHome } from '../../tests/lib/sluice.ts'
import { table } from '../lib/run-arms.ts'
import { attack, type Verdict } from './attack.ts'
import { findOrBuildK6 } from './binary.ts'
import { makeTenants, type System } from './system.ts'

/**
 * `npm run k6`: load on the edge by k6, and then the question whether every number is right. On the Sluice that
 * runs here (as `sluice status` finds it), else on one of its own that is gone afterwards (--kafka: on real engines); or
 * anywhere, with --edge-url, --core-url and DATABASE_URL. Exit code 1 when a number is wrong, an answer failed, or it was slow.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    rate: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    tenants: { type: 'string', default: '4' },
    /** Of edges, asked in turn. */
    'edge-url': { type: 'string', multiple: true, default: [] },
    'core-url': { type: 'string' },
    /** A system of its own even where one runs. */
    own: { type: 'boolean', default: false },
    /** The same, on Kafka and Redis, with two workers. */
    kafka: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const say = (line: string) => options.json || process.stderr.write(`${line}\n`)

// k6 and a Sluice of our own hear it as well; we clear away behind them.
process.on('SIGINT', () => {})

let close: (() => Promise<void>) | undefined
try {
  const tenants = whole('tenants')
  const load = { rate: whole('rate'), seconds: whole('seconds'), seed: whole('seed') }
  const k6 = await findOrBuildK6(say)
  const verdict = await attack(await findSystem(tenants), {
    ...load,
    k6,
    waitingMax: 200,
    progress: !options.json && process.stderr.isTTY === true,
  })
  report(verdict)
  process.exitCode = verdict.faults.length + verdict.slow.length === 0 ? 0 : 1
} catch (error) {
  const { message, hint } = error as UsageError
  process.stderr.write(`${message}\n${hint ? `${hint}\n` : ''}`)
  process.exitCode = 1
} finally {
  await close?.()
}

async function findSystem(tenants: number): Promise<System> {
  const config = readConfig()
  const urls = options['edge-url']
  if (urls.length > 0) {
    if (!options['core-url'] || !config.databaseUrl)
      throw new UsageError(
        'With --edge-url, --core-url and DATABASE_URL are needed too.',
        'Tenants are made in the database, and core is asked what became of the events.',
      )
    return {
      ...at(urls, options['core-url'], false),
      forgetful: true,
      tenants: await makeTenants(config.databaseUrl, tenants),
    }
  }
  if (options.kafka) {
    say('Starting Kafka, Redis, Postgres, a gateway, two workers and an edge')
    const fleet = await startFleet()
    close = () => fleet.stop()
    return {
      ...at([fleet.edgeUrl], fleet.coreUrl, true),
      forgetful: true,
      tenants: await makeTenants(fleet.databaseUrl, tenants),
    }
  }
  const run = options.own ? undefined : running(config.home)
  if (run) {
    say(`On the Sluice of ${config.home}; the tenants k6-… stay there.`)
    return {
      ...at([run.edge_url], run.core_url, false),
      forgetful: false,
      tenants: await makeTenants(run.database_url, tenants),
    }
  }
  say('Starting a Sluice of its own')
  const home = createTestHome()
  close = () => home.remove()
  const { run: own } = await home.start('--no-demo')
  return {
    ...at([own.edge_url], own.core_url, true),
    forgetful: false,
    tenants: await makeTenants(own.database_url, tenants),
  }
}

function at(edgeUrls: string[], coreUrl: string, ours: boolean) {
  const plain = (url: string) => url.replace(/\/+$/, '')
  return {
    edgeUrls: edgeUrls.map(plain),
    coreUrl: plain(coreUrl),
    graphqlUrl: `${plain(coreUrl)}/graphql`,
    ours,
  }
}

function whole(name: 'seconds' | 'rate' | 'seed' | 'tenants'): number {
  const value = Number(options[name])
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`--${name} takes a whole number from 1 on.`)
  return value
}

function report(verdict: Verdict): void {
  if (options.json) {
    console.log(JSON.stringify(verdict))
    return
  }
  const { requests, latency, dropped, anew, tenants, faults, slow } = verdict
  const count = (value: number) => value.toLocaleString('en')
  const { p50, p95, p99, max } = latency
  const times = [p50, p95, p99, max].map((ms) => ms.toFixed(1)).join(' / ')
  console.log(`${count(requests)} requests, ${count(dropped)} more were due and not sent`)
  console.log(`answers, p50 / p95 / p99 / max: ${times} ms\n`)
  console.log(
    table([
      ['tenant', 'accepted', 'stored', 'duplicates', 'dead letters', 'rejected'],
      ...tenants.map((each) => [
        each.tenant,
        ...[each.accepted, each.stored, each.duplicates, each.dead, each.rejected].map(count),
      ]),
    ]),
  )
  console.log('')
  if (anew > 0)
    console.log(
      `${count(anew)} of the duplicates: repeated under their Idempotency-Key, and the first answer was forgotten\n`,
    )
  for (const fault of [...faults, ...slow]) console.log(`✗ ${fault}`)
  if (faults.length === 0)
    console.log('Every answer was as planned; GraphQL and /metrics say exactly what was sent.')
}
