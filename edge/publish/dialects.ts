import { createConfluentClient } from './confluent.ts'
import type { KafkaRestClient } from './publisher.ts'
import { createUpstashClient, type UpstashSettings } from './upstash.ts'

/** Where events go when not to core's gateway, where keys are asked for all the same. */
export interface PublishSettings {
  /** `upstash` (the default): our gateway's protocol. `confluent`: REST v2, of Confluent's proxy or Redpanda's. */
  SLUICE_KAFKA_REST_DIALECT?: string
  /** E.g. http://kafka-rest:8082; the gateway without it. */
  SLUICE_KAFKA_REST_URL?: string
  SLUICE_KAFKA_REST_USERNAME?: string
  SLUICE_KAFKA_REST_PASSWORD?: string
  /** As core has it. Our gateway puts it before the topics' names itself; no other bridge does. */
  SLUICE_KAFKA_TOPIC_PREFIX?: string
}

/** @throws where the settings do not go together */
export function createKafkaRestClient(
  settings: PublishSettings,
  gateway: UpstashSettings,
): KafkaRestClient {
  const { SLUICE_KAFKA_REST_DIALECT: flavour = '', SLUICE_KAFKA_TOPIC_PREFIX: topicPrefix } =
    settings
  const { SLUICE_KAFKA_REST_USERNAME: username, SLUICE_KAFKA_REST_PASSWORD: password } = settings
  const url = settings.SLUICE_KAFKA_REST_URL?.replace(/\/+$/, '')
  if (!['', 'upstash', 'confluent'].includes(flavour))
    throw new Error('SLUICE_KAFKA_REST_DIALECT is upstash or confluent')
  if (!username !== !password)
    throw new Error(
      `PUBLISH_${username ? 'PASSWORD' : 'USERNAME'} is not set, but its other half is`,
    )
  if (flavour === 'confluent') {
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
