import { LIMITS } from '../contract/limits.ts'
import { createEdge } from './app.ts'
import type { AddressOf } from './authenticate.ts'
import { createKeyCache } from './key-cache.ts'
import { createHttpKeyDirectory } from './key-directory.ts'
import { createMemoryIdempotency } from './memory-idempotency.ts'
import { createMemoryLimiter } from './memory-limiter.ts'
import { createKafkaPublisher } from './publish.ts'
import type { Report } from './refuse.ts'
import type { Exchange } from './within.ts'

/** What an edge must be told; the names are the same in every runtime. */
export interface EdgeSettings {
  /** Where keys are known and events are taken, e.g. http://127.0.0.1:4000/gateway */
  GATEWAY_URL: string
  GATEWAY_USERNAME: string
  GATEWAY_PASSWORD: string
  /** Which edge this is; left out, the runtime's own word for the place. */
  EDGE_NAME?: string
  /** `off`: as many events as anyone likes, and no RateLimit headers. Default: on. */
  RATE_LIMITS?: string
  /** How long a stream of lines may be, decoded, in bytes; 64 MiB without it. */
  NDJSON_BYTES_MAX?: string
  /** A key to be filled in on /docs; only where the edge listens to this machine alone. */
  DOCS_KEY?: string
}

/** In what the runtimes differ. */
export interface EdgeRuntime {
  exchange: Exchange
  /** The runtime's own word for where it is. */
  placeOf: (request: Request) => string
  /** Never from what a client can write itself; undefined where that is all there is. */
  addressOf: AddressOf
}

/** The edge with keys asked of the gateway and everything else in this process's memory. */
export function composeEdge(settings: EdgeSettings, runtime: EdgeRuntime) {
  for (const name of ['GATEWAY_URL', 'GATEWAY_USERNAME', 'GATEWAY_PASSWORD'] as const)
    if (!settings[name]) throw new Error(`${name} is not set`)
  const gateway = {
    url: settings.GATEWAY_URL.replace(/\/+$/, ''),
    username: settings.GATEWAY_USERNAME,
    password: settings.GATEWAY_PASSWORD,
  }
  const now = () => Date.now()
  const { EDGE_NAME: name, RATE_LIMITS: limits = '' } = settings
  if (!['', 'on', 'off'].includes(limits)) throw new Error('RATE_LIMITS is either on or off')
  const ndjsonBytesMax = Number(settings.NDJSON_BYTES_MAX || LIMITS.ndjsonBytesMax)
  if (!(Number.isSafeInteger(ndjsonBytesMax) && ndjsonBytesMax > 0))
    throw new Error('NDJSON_BYTES_MAX is a number of bytes')
  return createEdge({
    findKey: createKeyCache(createHttpKeyDirectory(gateway, runtime.exchange), now, report),
    limiter: limits === 'off' ? undefined : createMemoryLimiter(),
    idempotency: createMemoryIdempotency(),
    publish: createKafkaPublisher(gateway, runtime.exchange, report),
    nameOf: name ? () => name : runtime.placeOf,
    addressOf: runtime.addressOf,
    now,
    report,
    ndjsonBytesMax,
    docsKey: settings.DOCS_KEY || undefined,
  })
}

/** One line of JSON an entry; what workerd, Deno and Cloudflare's log tail all show. */
const report: Report = ({ level, ...entry }) =>
  console[level](JSON.stringify({ level, time: new Date().toISOString(), ...entry }))
