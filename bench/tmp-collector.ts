import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDatabase } from '../core/db/database.ts'
import { migrate } from '../core/db/migrate.ts'
import { createKey } from '../core/identity/api-keys.ts'
import { createTenant } from '../core/identity/tenants.ts'
import { startEdgeProcess } from '../local/edge-process.ts'
import { startEngines } from '../tools/engines/engines.ts'
import { cpuSeconds } from './lib/machine.ts'
const [mode = 'kafka', arms = 'collector', count = '30000', warm = '20000', redisOn = 'redis', extra = ''] = process.argv.slice(2)
const home = mkdtempSync(join(tmpdir(), 'coll-'))
const engines = await startEngines({ home, kafka: mode === 'kafka' ? { brokers: 1 } : undefined, redis: true, postgres: true, onRestart: console.log } as any)
try {
const databaseUrl = engines.postgres!.url
await migrate(databaseUrl)
const db = createDatabase(databaseUrl, { max: 1 })
await createTenant(db, { tenant: 'b', eventsPerMinute: 1e9 })
const { key } = await createKey(db, { tenant: 'b', name: 'x', scopes: ['ingest'], eventsPerMinute: 1e9 })
await db.destroy()
const env: Record<string, string> = { ...process.env as any, DATABASE_URL: databaseUrl, SLUICE_GATEWAY_PASSWORD: 'a-password-for-tests', SLUICE_LOG_LEVEL: 'info', ...(mode === 'kafka' && { SLUICE_LOG_DRIVER: 'kafka', KAFKA_BROKERS: engines.kafka!.brokers.join(',') }) }
const withRedis = { REDIS_URL: engines.redis!.url, SLUICE_REDIS_BRIDGE_URL: engines.redis!.bridgeUrl, SLUICE_REDIS_TOKEN: 'a-redis-token-for-tests' }
async function core(roles: string[], more: Record<string, string>, flags: string[] = []) {
  const child = spawn(process.execPath, ['--max-semi-space-size=8', '--max-old-space-size=256', ...flags, 'core/main.ts', ...roles], { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  await new Promise<void>((r, j) => { child.stdout.on('data', (d) => { out += d; if (out.includes('"ready"')) r() }); child.once('exit', () => j(new Error(out))) })
  child.stdout.on('data', (d) => { if (!String(d).includes('"ready"')) process.stdout.write(d) })
  return child
}
for (const arm of arms.split(',')) {
  const procs: Record<string, number> = { postgres: engines.postgres!.pid as number, redis: engines.redis!.pid as number, ...(mode === 'kafka' && { broker: engines.kafka!.pids[0] as number }) }
  const stops: (() => Promise<unknown>)[] = []
  let url = ''
  if (arm === 'collector') {
    const c = await core(['collector'], { ...(redisOn === 'redis' ? withRedis : {}), SLUICE_COLLECTOR_PORT: '18787' }, extra ? extra.split(' ') : [])
    procs.collector = c.pid!; url = 'http://127.0.0.1:18787'
    stops.push(async () => { const t = performance.now(); c.kill('SIGTERM'); await once(c, 'exit'); console.log('stopped in', Math.round(performance.now() - t)) })
  } else {
    const c = await core(['api', 'gateway'], { ...withRedis, PORT: '14000' })
    procs.gateway = c.pid!
    mkdirSync(join(home, 'edge'), { recursive: true })
    const e = await startEdgeProcess({ home: join(home, 'edge'), port: 18788, bindings: { SLUICE_GATEWAY_URL: 'http://127.0.0.1:14000/gateway', SLUICE_GATEWAY_USERNAME: 'sluice', SLUICE_GATEWAY_PASSWORD: 'a-password-for-tests', ...(redisOn === 'redis' && { SLUICE_REDIS_REST_URL: 'http://127.0.0.1:14000/redis', SLUICE_REDIS_TOKEN: 'a-redis-token-for-tests' }), SLUICE_EDGE_NAME: 'x' }, onRestart: console.log })
    procs.edge = e.pid; url = 'http://127.0.0.1:18788'
    stops.push(() => e.stop(), async () => { c.kill('SIGTERM'); await once(c, 'exit') })
  }
  for (const conns of ['64']) {
  const load = spawn(process.execPath, ['/tmp/coll/load.mjs', url, key, count, conns, warm], { stdio: ['ignore', 'pipe', 'inherit'] })
  const before: Record<string, number> = {}
  let result = ''
  const snap = () => Object.fromEntries(Object.entries(procs).map(([n, p]) => [n, cpuSeconds(p)]))
  load.stdout.on('data', (d) => { for (const line of String(d).split('\n')) { if (line === 'WARM') Object.assign(before, snap()); else if (line) result = line } })
  await once(load, 'exit')
  const after = snap()
  const per = Object.fromEntries(Object.entries(after).map(([n, s]) => [n, Math.round((s - before[n]!) / Number(count) * 1e6)]))
  console.log(arm, redisOn, conns, result, JSON.stringify(per), 'all', Object.values(per).reduce((a, b) => a + b, 0))
  }
  for (const s of stops) await s()
}
} finally { await engines.stop() }
