import { createConfluentBridge } from './confluent.ts'
import type { Bridge } from './publisher.ts'
import { createUpstashBridge, type UpstashSettings } from './upstash.ts'

/** Where events go when not to core's gateway, where keys are asked for all the same. */
export interface PublishSettings {
  /** `upstash` (the default): our gateway's protocol. `confluent`: REST v2, of Confluent's proxy or Redpanda's. */
  PUBLISH_FLAVOUR?: string
  /** E.g. http://kafka-rest:8082; the gateway without it. */
  PUBLISH_URL?: string
  PUBLISH_USERNAME?: string
  PUBLISH_PASSWORD?: string
  /** As core has it. Our gateway puts it before the topics' names itself; no other bridge does. */
  KAFKA_TOPIC_PREFIX?: string
}

/** @throws where the settings do not go together */
export function readBridge(settings: PublishSettings, gateway: UpstashSettings): Bridge {
  const { PUBLISH_FLAVOUR: flavour = '', KAFKA_TOPIC_PREFIX: topicPrefix } = settings
  const { PUBLISH_USERNAME: username, PUBLISH_PASSWORD: password } = settings
  const url = settings.PUBLISH_URL?.replace(/\/+$/, '')
  if (!['', 'upstash', 'confluent'].includes(flavour))
    throw new Error('PUBLISH_FLAVOUR is upstash or confluent')
  if (!username !== !password)
    throw new Error(
      `PUBLISH_${username ? 'PASSWORD' : 'USERNAME'} is not set, but its other half is`,
    )
  if (flavour === 'confluent') {
    if (!url) throw new Error('PUBLISH_URL is not set, but PUBLISH_FLAVOUR is confluent')
    return createConfluentBridge({ url, username, password, topicPrefix })
  }
  if (!url) return createUpstashBridge(gateway)
  if (!username || !password) throw new Error('PUBLISH_USERNAME is not set, but PUBLISH_URL is')
  return createUpstashBridge({ url, username, password })
}
