import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { hostname } from 'node:os'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { type Config, readConfig } from './config.ts'
import { LIVE_LIMITS } from './queries/limits.ts'

/**
 * A container's health check: `node core/health-check.ts [api] [gateway] [worker] [collector]`, with the environment and the
 * roles of core/main.ts. Exits with 0 when these roles and what they need are healthy; else prints one line that
 * names what is not, and exits with 1.
 */
const CHECK_MS_MAX = 5_000

try {
  const config = readConfig()
  const roles = process.argv.slice(2)
  if (roles.length === 0 || roles.includes('api') || roles.includes('gateway'))
    await checkHttp(config)
  if (roles.length === 0 || roles.includes('worker')) await checkWorker(config)
  if (roles.includes('collector')) await checkCollector(config)
} catch (error) {
  console.error((error as Error).message || String(error))
  process.exitCode = 1
}

/** Without the check of workers in /readyz: they have containers of their own. */
async function checkHttp(config: Config): Promise<void> {
  const { checks } = (await get(config, config.corePort, '/readyz')) as {
    checks: Record<string, string>
  }
  const bad = Object.entries(checks).filter(([part, state]) => part !== 'worker' && state !== 'ok')
  if (bad.length > 0) throw new Error(bad.map((check) => check.join(': ')).join(', '))
}

async function checkCollector(config: Config): Promise<void> {
  const { status } = (await get(config, config.collector.port, '/healthz')) as { status: string }
  if (status !== 'ok') throw new Error(`collector: ${status}`)
}

async function get({ host, tls }: Config, port: number, path: string): Promise<unknown> {
  const address = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host
  // The certificate is for a name, the request is to an address.
  const options = { host: address, port, path, rejectUnauthorized: false }
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const request = (tls ? requestHttps : requestHttp)(
    { ...options, signal: AbortSignal.timeout(CHECK_MS_MAX) },
    (response) => text(response).then(resolve, reject),
  )
  request.once('error', reject).end()
  return JSON.parse(await promise)
}

/** A worker has no port; its heartbeat is in Postgres, under this machine's name. */
async function checkWorker({ databaseUrl }: Config): Promise<void> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: CHECK_MS_MAX,
    query_timeout: CHECK_MS_MAX,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rowCount } = await client.query(
      // A worker's id is the host name, a dash and eight digits (core/worker/worker.ts).
      `SELECT FROM worker_heartbeat WHERE left(worker_id, -9) = $1
       AND beat_at > clock_timestamp() - make_interval(secs => $2)`,
      [hostname(), LIVE_LIMITS.heartbeatAgeMs / 1000],
    )
    if (rowCount === 0) throw new Error('no heartbeat of the worker')
  } finally {
    await client.end().catch(() => {})
  }
}
