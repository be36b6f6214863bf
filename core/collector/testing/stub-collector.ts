import { LIMITS } from '../../../contract/limits.ts'
import { produceResults } from '../../../contract/log/kafka-rest.ts'
import { createHttpKeyDirectory } from '../../../edge/auth/key-directory.ts'
import { readSettings } from '../../../edge/entry/settings.ts'
import { abortOnTimeout } from '../../../edge/lib/timeout.ts'
import { createRedisConnection } from '../../db/redis-connection.ts'
import { type Log, UnknownTopicError } from '../../log/log.ts'
import { startCollector } from '../collector.ts'

/**
 * The collector in front of the conformance suite's stub gateway: its log is the stub's /produce, its keys are the
 * stub's, and what fails there fails here as a log or a database would.
 */
const settings = readSettings(process.env)
const gateway = {
  url: settings.SLUICE_GATEWAY_URL,
  username: settings.SLUICE_GATEWAY_USERNAME,
  password: settings.SLUICE_GATEWAY_PASSWORD,
}
const redis = process.env.REDIS_URL
  ? createRedisConnection({ url: process.env.REDIS_URL })
  : undefined
await redis?.ready(5_000)

const collector = await startCollector(
  {
    log: { append },
    keys: () => createHttpKeyDirectory(gateway, abortOnTimeout),
    redis,
    redisMsMax: Number(settings.SLUICE_REDIS_TIMEOUT_MS) || undefined,
    settings,
    report: ({ level, ...entry }) => console[level](JSON.stringify({ level, ...entry })),
  },
  { host: '127.0.0.1', port: Number(process.env.PORT) },
)
console.log(`edge on ${collector.url}`)
process.once('SIGTERM', () => void collector.close().then(() => process.exit(0)))

async function append(topic: string, records: Parameters<Log['append']>[1]) {
  const response = await fetch(`${gateway.url}/produce`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${gateway.username}:${gateway.password}`)}` },
    body: JSON.stringify(
      records.map(({ key, value }) => ({ topic, key: String(key), value: String(value) })),
    ),
    redirect: 'manual',
    // The collector's own deadline comes first.
    signal: AbortSignal.timeout(LIMITS.publishMsMax + 500),
  })
  if (response.status === 413) throw new RangeError('too large')
  if (response.status >= 500) throw new Error(`status ${response.status}`)
  // A retry would not change it.
  if (response.status !== 200) throw new UnknownTopicError(topic)
  const text = await response.text()
  try {
    const results = produceResults.parse(JSON.parse(text))
    if (results.length === records.length) return results
  } catch {
    // Not the protocol's response.
  }
  throw new UnknownTopicError(topic)
}
