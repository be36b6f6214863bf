import { parseArgs } from 'node:util'
import { readConfig } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { findRunning } from '../../local/run-file.ts'
import { startFleet } from '../../tests/lib/fleet.ts'
import { createTestHome } from '../../tests/lib/sluice.ts'
import { table } from '../lib/run-arms.ts'
import { findOrBuildK6 } from './binary.ts'
import { type LoadTestResult, runLoadTest } from './load-test.ts'
import { createTenants, type System } from './system.ts'

/**
 * `npm run k6`: load on the edge by k6, then a check of every number. It uses the running instance (as `sluice
 * status` finds it), or a temporary one (--kafka: on real engines), or any other with --edge-url, --core-url and
 * DATABASE_URL. Exit code 1 when a number is wrong, a request failed or a latency threshold was exceeded.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    rate: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    tenants: { type: 'string', default: '4' },
    /** URLs of the edges, used in turn. */
    'edge-url': { type: 'string', multiple: true, default: [] },
    'core-url': { type: 'string' },
    /** Starts a temporary instance even where one is running. */
    own: { type: 'boolean', default: false },
    /** Starts a temporary instance on Kafka and Redis with two workers. */
    kafka: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const log = (line: string) => options.json || process.stderr.write(`${line}\n`)

// k6 and the temporary instance receive it too; this process cleans up after them.
process.on('SIGINT', () => {})

let close: (() => Promise<void>) | undefined
try {
  const tenants = readWholeNumber('tenants')
  const load = {
    rate: readWholeNumber('rate'),
    seconds: readWholeNumber('seconds'),
    seed: readWholeNumber('seed'),
  }
  const k6 = await findOrBuildK6(log)
  const result = await runLoadTest(await findSystem(tenants), {
    ...load,
    k6,
    inFlightMax: 200,
    progress: !options.json && process.stderr.isTTY === true,
  })
  report(result)
  process.exitCode = result.errors.length + result.exceededThresholds.length === 0 ? 0 : 1
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
        'The test creates tenants in the database and reads the results from core.',
      )
    return {
      ...addressesOf(urls, options['core-url'], false),
      mayForgetResponses: true,
      tenants: await createTenants(config.databaseUrl, tenants),
    }
  }
  if (options.kafka) {
    log('Starting Kafka, Redis, Postgres, a gateway, two workers and an edge')
    const fleet = await startFleet()
    close = () => fleet.stop()
    return {
      ...addressesOf([fleet.edgeUrl], fleet.coreUrl, true),
      mayForgetResponses: true,
      tenants: await createTenants(fleet.databaseUrl, tenants),
    }
  }
  const run = options.own ? undefined : findRunning(config.home)
  if (run) {
    log(`Using the running instance of ${config.home}; the tenants k6-… stay there.`)
    return {
      ...addressesOf([run.edge_url], run.core_url, false),
      mayForgetResponses: false,
      tenants: await createTenants(run.database_url, tenants),
    }
  }
  log('Starting a temporary instance')
  const home = createTestHome()
  close = () => home.remove()
  const { run: instance } = await home.start('--no-demo')
  return {
    ...addressesOf([instance.edge_url], instance.core_url, true),
    mayForgetResponses: false,
    tenants: await createTenants(instance.database_url, tenants),
  }
}

function addressesOf(edgeUrls: string[], coreUrl: string, isExclusive: boolean) {
  const plain = (url: string) => url.replace(/\/+$/, '')
  return {
    edgeUrls: edgeUrls.map(plain),
    coreUrl: plain(coreUrl),
    graphqlUrl: `${plain(coreUrl)}/graphql`,
    isExclusive,
  }
}

function readWholeNumber(name: 'seconds' | 'rate' | 'seed' | 'tenants'): number {
  const value = Number(options[name])
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`--${name} must be a whole number of at least 1.`)
  return value
}

function report(result: LoadTestResult): void {
  if (options.json) {
    console.log(JSON.stringify(result))
    return
  }
  const {
    requests,
    latency,
    dropped,
    reprocessed,
    tenants,
    errors: faults,
    exceededThresholds: slow,
  } = result
  const count = (value: number) => value.toLocaleString('en')
  const { p50, p95, p99, max } = latency
  const times = [p50, p95, p99, max].map((ms) => ms.toFixed(1)).join(' / ')
  console.log(`${count(requests)} requests; ${count(dropped)} more were due but not sent`)
  console.log(`response times, p50 / p95 / p99 / max: ${times} ms\n`)
  console.log(
    table([
      ['tenant', 'accepted', 'stored', 'duplicates', 'dead letters', 'rejected'],
      ...tenants.map((tenant) => [
        tenant.tenant,
        ...[tenant.accepted, tenant.stored, tenant.duplicates, tenant.dead, tenant.rejected].map(
          count,
        ),
      ]),
    ]),
  )
  console.log('')
  if (reprocessed > 0)
    console.log(
      `${count(reprocessed)} of the duplicates: repeated with their Idempotency-Key after the first response was lost\n`,
    )
  for (const error of [...faults, ...slow]) console.log(`✗ ${error}`)
  if (faults.length === 0)
    console.log('Every response was as planned; GraphQL and /metrics report exactly what was sent.')
}
