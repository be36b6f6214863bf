import { findFormerSetting, formerNamesOf } from '../../contract/former-settings.ts'

/** The edge's settings; the names are the same in every runtime. */
export interface EdgeSettings extends EdgeOptions {
  /** Where keys are looked up and events are accepted, e.g. http://127.0.0.1:4000/gateway */
  SLUICE_GATEWAY_URL: string
  SLUICE_GATEWAY_USERNAME: string
  SLUICE_GATEWAY_PASSWORD: string
  /** Redis over REST, for edges in many places: where and with which token. Without both, all is in memory. */
  SLUICE_REDIS_REST_URL?: string
  SLUICE_REDIS_TOKEN?: string
  /** The same by Upstash's names. */
  UPSTASH_REDIS_REST_URL?: string
  UPSTASH_REDIS_REST_TOKEN?: string
  /** How long Redis may take, in ms, before it counts as away; 250 without it. */
  SLUICE_REDIS_TIMEOUT_MS?: string
  /** `true`: send passwords and events over http beyond loopback and private networks. */
  SLUICE_ALLOW_CLEARTEXT?: string
  /** `upstash` (the default): our gateway's protocol. `confluent`: REST v2, of Confluent's proxy or Redpanda's. */
  SLUICE_KAFKA_REST_DIALECT?: string
  /** Where events are published, e.g. http://kafka-rest:8082; the gateway without it. Keys are looked up there in any case. */
  SLUICE_KAFKA_REST_URL?: string
  SLUICE_KAFKA_REST_USERNAME?: string
  SLUICE_KAFKA_REST_PASSWORD?: string
  /** The same as core's. Our gateway adds it to the topics' names itself; other endpoints do not. */
  SLUICE_KAFKA_TOPIC_PREFIX?: string
}

/** Those that do not depend on how the edge reaches core. */
export interface EdgeOptions {
  /** Which edge this is; without it the runtime's own name for its location. */
  SLUICE_EDGE_NAME?: string | undefined
  /** `off`: no limits, and no RateLimit headers. Default: on. */
  SLUICE_RATE_LIMITS?: string | undefined
  /** What holds while Redis is away: `fail-open`, `local` (the default) or `fail-closed`. */
  SLUICE_REDIS_FAILURE_POLICY?: string | undefined
  /** Proxies whose X-Forwarded-For and Forwarded are believed: IP addresses and CIDR blocks. None without it. */
  SLUICE_TRUSTED_PROXIES?: string | undefined
  /** The platform whose headers of a visitor's location are read from these proxies: cloudflare, vercel, appengine or cloudfront. */
  SLUICE_GEO_HEADERS?: string | undefined
  /** How long a stream of lines may be, decoded, in bytes; 64 MiB without it. */
  SLUICE_NDJSON_BYTES_MAX?: string | undefined
  /** Public keys for formats that have no place for one: `shop.example=slc_pub_…, my-app=slc_pub_…`. */
  SLUICE_SITE_KEYS?: string | undefined
  /** A key to be filled in on /docs; only where the edge listens on this machine alone. */
  SLUICE_DOCS_KEY?: string | undefined
}

const NAMES = Object.keys({
  SLUICE_GATEWAY_URL: true,
  SLUICE_GATEWAY_USERNAME: true,
  SLUICE_GATEWAY_PASSWORD: true,
  SLUICE_EDGE_NAME: true,
  SLUICE_RATE_LIMITS: true,
  SLUICE_REDIS_REST_URL: true,
  SLUICE_REDIS_TOKEN: true,
  UPSTASH_REDIS_REST_URL: true,
  UPSTASH_REDIS_REST_TOKEN: true,
  SLUICE_REDIS_TIMEOUT_MS: true,
  SLUICE_REDIS_FAILURE_POLICY: true,
  SLUICE_TRUSTED_PROXIES: true,
  SLUICE_GEO_HEADERS: true,
  SLUICE_ALLOW_CLEARTEXT: true,
  SLUICE_NDJSON_BYTES_MAX: true,
  SLUICE_SITE_KEYS: true,
  SLUICE_DOCS_KEY: true,
  SLUICE_KAFKA_REST_DIALECT: true,
  SLUICE_KAFKA_REST_URL: true,
  SLUICE_KAFKA_REST_USERNAME: true,
  SLUICE_KAFKA_REST_PASSWORD: true,
  SLUICE_KAFKA_TOPIC_PREFIX: true,
} satisfies Record<keyof EdgeSettings, true>)

/** All variables that `readSettings` looks at: the settings and their former names. */
export const SETTING_VARIABLES: readonly string[] = [...NAMES, ...formerNamesOf(NAMES)]

/**
 * @param environment of a process or a worker's bindings; '' and null count as missing, numbers are read as text
 * @throws when a required setting is missing, or one has its former name
 */
export function readSettings(environment: object): EdgeSettings {
  const former = findFormerSetting(environment)
  if (former) throw new Error(former)
  const settings = Object.fromEntries(
    Object.entries(environment)
      // A Worker's bindings may be functions and objects too.
      .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value) && value !== '')
      .map(([name, value]) => [name, String(value)]),
  ) as unknown as EdgeSettings
  for (const name of [
    'SLUICE_GATEWAY_URL',
    'SLUICE_GATEWAY_USERNAME',
    'SLUICE_GATEWAY_PASSWORD',
  ] as const)
    if (settings[name] === undefined) throw new Error(`${name} is not set`)
  return settings
}
