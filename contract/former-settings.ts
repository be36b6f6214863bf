/**
 * Names that settings had before version 0.3. A setting under its former name would be ignored, and its default
 * would hold without a word: Kafka without TLS, a failure policy that lets everybody in. So programs refuse to start.
 * LOG and LOG_LEVEL are not here: other programs on the same machine may use these names.
 */
const FORMER_SETTINGS: Readonly<Record<string, string>> = {
  GATEWAY_URL: 'SLUICE_GATEWAY_URL',
  GATEWAY_USERNAME: 'SLUICE_GATEWAY_USERNAME',
  GATEWAY_PASSWORD: 'SLUICE_GATEWAY_PASSWORD',
  RATE_LIMITS: 'SLUICE_RATE_LIMITS',
  NDJSON_BYTES_MAX: 'SLUICE_NDJSON_BYTES_MAX',
  REDIS_URL_REST: 'SLUICE_REDIS_REST_URL',
  REDIS_TOKEN: 'SLUICE_REDIS_TOKEN',
  REDIS_MS_MAX: 'SLUICE_REDIS_TIMEOUT_MS',
  WITHOUT_REDIS: 'SLUICE_REDIS_FAILURE_POLICY',
  REDIS_BRIDGE_URL: 'SLUICE_REDIS_BRIDGE_URL',
  PUBLISH_FLAVOUR: 'SLUICE_KAFKA_REST_DIALECT',
  PUBLISH_URL: 'SLUICE_KAFKA_REST_URL',
  PUBLISH_USERNAME: 'SLUICE_KAFKA_REST_USERNAME',
  PUBLISH_PASSWORD: 'SLUICE_KAFKA_REST_PASSWORD',
  KAFKA_USERNAME: 'SLUICE_KAFKA_USERNAME',
  KAFKA_PASSWORD: 'SLUICE_KAFKA_PASSWORD',
  KAFKA_MECHANISM: 'SLUICE_KAFKA_MECHANISM',
  KAFKA_TLS: 'SLUICE_KAFKA_TLS',
  KAFKA_TOPIC_PREFIX: 'SLUICE_KAFKA_TOPIC_PREFIX',
  SLUICE_WORKER_LANES: 'SLUICE_WORKER_CONCURRENCY',
}

/** @returns a sentence about a setting that is set under its former name, or undefined */
export function findFormerSetting(environment: object): string | undefined {
  for (const [name, value] of Object.entries(environment))
    if (value && Object.hasOwn(FORMER_SETTINGS, name))
      return `${name} is now ${FORMER_SETTINGS[name]}`
  return undefined
}

/** The former names of these settings, for runtimes in which a program may read named variables only. */
export function formerNamesOf(settings: readonly string[]): string[] {
  return Object.entries(FORMER_SETTINGS).flatMap(([former, name]) =>
    settings.includes(name) ? [former] : [],
  )
}
