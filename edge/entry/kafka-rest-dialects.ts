import { createConfluentClient } from '../publish/confluent.ts'
import type { KafkaRestClient } from '../publish/publisher.ts'
import { createUpstashClient, type UpstashSettings } from '../publish/upstash.ts'
import type { EdgeSettings } from './settings.ts'

/** @throws when a setting is invalid, or another one is missing for it */
export function createKafkaRestClient(
  settings: EdgeSettings,
  gateway: UpstashSettings,
): KafkaRestClient {
  const { SLUICE_KAFKA_REST_DIALECT: dialect = '', SLUICE_KAFKA_TOPIC_PREFIX: topicPrefix } =
    settings
  const { SLUICE_KAFKA_REST_USERNAME: username, SLUICE_KAFKA_REST_PASSWORD: password } = settings
  const url = settings.SLUICE_KAFKA_REST_URL?.replace(/\/+$/, '')
  if (!['', 'upstash', 'confluent'].includes(dialect))
    throw new Error('SLUICE_KAFKA_REST_DIALECT is upstash or confluent')
  if (!username !== !password) {
    const missing = username ? 'PASSWORD' : 'USERNAME'
    throw new Error(`SLUICE_KAFKA_REST_${missing} is not set, but its other half is`)
  }
  if (dialect === 'confluent') {
    if (!url)
      throw new Error(
        'SLUICE_KAFKA_REST_URL is not set, but SLUICE_KAFKA_REST_DIALECT is confluent',
      )
    return createConfluentClient({ url, username, password, topicPrefix })
  }
  if (!url) return createUpstashClient(gateway)
  if (!username || !password)
    throw new Error('SLUICE_KAFKA_REST_USERNAME is not set, but SLUICE_KAFKA_REST_URL is')
  return createUpstashClient({ url, username, password })
}
