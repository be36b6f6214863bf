/** Where keys are looked up and events are published; all three are required. */
const REQUIRED_NAMES = [
  'SLUICE_GATEWAY_URL',
  'SLUICE_GATEWAY_USERNAME',
  'SLUICE_GATEWAY_PASSWORD',
] as const

const OPTIONAL_NAMES = [
  'SLUICE_EDGE_NAME',
  'SLUICE_RATE_LIMITS',
  'SLUICE_REDIS_REST_URL',
  'SLUICE_REDIS_TOKEN',
  'UPSTASH_REDIS_REST_URL',
  'UPSTASH_REDIS_REST_TOKEN',
  'SLUICE_REDIS_TIMEOUT_MS',
  'SLUICE_REDIS_FAILURE_POLICY',
  'SLUICE_NDJSON_BYTES_MAX',
  'SLUICE_DOCS_KEY',
  'SLUICE_KAFKA_REST_DIALECT',
  'SLUICE_KAFKA_REST_URL',
  'SLUICE_KAFKA_REST_USERNAME',
  'SLUICE_KAFKA_REST_PASSWORD',
  'SLUICE_KAFKA_TOPIC_PREFIX',
] as const

type RequiredName = (typeof REQUIRED_NAMES)[number]
type OptionalName = (typeof OPTIONAL_NAMES)[number]

/**
 * The edge's settings; the names are the same in every runtime.
 *
 * - SLUICE_GATEWAY_URL: where keys are known and events are accepted, e.g. http://127.0.0.1:4000/gateway
 * - SLUICE_EDGE_NAME: which edge this is; without it the runtime's own name for its location.
 * - SLUICE_RATE_LIMITS: `off` for no limits and no RateLimit headers. Default: on.
 * - SLUICE_REDIS_REST_URL, SLUICE_REDIS_TOKEN: Redis over REST, for edges in many places. Without both, all
 *   is in memory. UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN are read as well.
 * - SLUICE_REDIS_TIMEOUT_MS: how long Redis may take before it counts as away; 250 without it.
 * - SLUICE_REDIS_FAILURE_POLICY: what holds while Redis is away: `fail-open`, `local` (the default) or `fail-closed`.
 * - SLUICE_NDJSON_BYTES_MAX: how long a stream of lines may be, decoded, in bytes; 64 MiB without it.
 * - SLUICE_DOCS_KEY: a key to be filled in on /docs; only where the edge listens on this machine alone.
 * - SLUICE_KAFKA_REST_DIALECT: `upstash` (the default): our gateway's protocol. `confluent`: REST v2, of
 *   Confluent's proxy or Redpanda's.
 * - SLUICE_KAFKA_REST_URL, _USERNAME, _PASSWORD: where events are published, e.g. http://kafka-rest:8082; the
 *   gateway without it. Keys are looked up in the gateway in any case.
 * - SLUICE_KAFKA_TOPIC_PREFIX: the same as core's. Our gateway adds it to the topics' names itself; other
 *   endpoints do not.
 */
export type EdgeSettings = Record<RequiredName, string> & Partial<Record<OptionalName, string>>

/**
 * Reads the settings by their names.
 * @param lookUp gives undefined, null or '' where the environment does not have the name
 * @throws when a required one is missing
 */
export function readSettings(lookUp: (name: string) => unknown): EdgeSettings {
  const settings: Record<string, string> = {}
  for (const name of [...REQUIRED_NAMES, ...OPTIONAL_NAMES]) {
    const value = lookUp(name)
    if (typeof value === 'string' && value !== '') settings[name] = value
  }
  for (const name of REQUIRED_NAMES)
    if (settings[name] === undefined) throw new Error(`${name} is not set`)
  return settings as EdgeSettings
}
