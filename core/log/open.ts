import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { UsageError } from '../lib/usage-error.ts'
import { KafkaError, KafkaUnreachableError } from './kafka/errors.ts'
import { createKafkaLog, createKafkaTopics, grantKafkaAppend } from './kafka/kafka-log.ts'
import { TooFewBrokersError } from './kafka/topics.ts'
import { type Log, UnknownTopicError } from './log.ts'
import type { KafkaConfig, LogConfig } from './log-config.ts'
import { createPostgresLog } from './postgres/postgres-log.ts'

/** The log that the configuration names; its topics exist. @throws UsageError with a hint how to fix it */
export async function openLog(
  config: LogConfig,
  databaseUrl: string | undefined,
  onError?: (error: unknown) => void,
): Promise<Log> {
  if (config.kind === 'postgres') {
    if (databaseUrl) return createPostgresLog({ url: databaseUrl, onError })
    throw new UsageError(
      'The log is in Postgres, but DATABASE_URL is not set.',
      'Set it, or SLUICE_LOG_DRIVER=kafka and KAFKA_BROKERS.',
    )
  }
  const log = await createKafkaLog({ ...config, onError }).catch(explain)
  try {
    for (const topic of Object.values(TOPICS)) await checkTopic(log, topic, config.prefix)
    return log
  } catch (error) {
    await log.close()
    throw error
  }
}

/** With another number of partitions the edge would send a key elsewhere, or some partitions would stay unread. */
async function checkTopic(log: Log, { name, partitions }: Topic, prefix: string): Promise<void> {
  const offsets = await log.offsets(name).catch((error) => {
    if (!(error instanceof UnknownTopicError)) throw error
    throw new UsageError(
      `Kafka has no topic ${prefix}${name}.`,
      `Create it with "npm run sluice -- migrate", or by yourself with ${partitions} partitions.`,
    )
  })
  if (offsets.length !== partitions)
    throw new UsageError(
      `Kafka's topic ${prefix}${name} has ${offsets.length} partitions.`,
      `It must have ${partitions}; delete and recreate it, or set KAFKA_BROKERS to another cluster.`,
    )
}

interface Topic {
  name: string
  partitions: number
}

/** The largest record that the gateway accepts, and what Kafka puts around it. */
const MESSAGE_BYTES_MAX = LIMITS.recordBytesMax + 1024

/** Kafka then decompresses the records of other producers on arrival: Node cannot read every codec. */
const OPTIONAL_SETTINGS = { 'compression.type': 'uncompressed' }
const SETTINGS = { 'max.message.bytes': `${MESSAGE_BYTES_MAX}` }

/** Creates the topics that do not exist. @returns their names */
export function createTopics(config: LogConfig): Promise<string[]> {
  if (config.kind === 'postgres') return Promise.resolve([])
  return createKafkaTopics(
    config,
    Object.values(TOPICS).map((topic) => ({
      ...topic,
      config: SETTINGS,
      optionalConfig: OPTIONAL_SETTINGS,
    })),
  ).catch(explain)
}

/**
 * Lets another user of Kafka append to Sluice's topics and nothing else: what a collector on the internet needs.
 * @throws UsageError with a hint how to fix it
 */
export async function allowAppend(config: KafkaConfig, user: string): Promise<void> {
  const topics = Object.values(TOPICS).map(({ name }) => name)
  await grantKafkaAppend(config, user, topics).catch((error) => {
    if (error instanceof KafkaUnreachableError) explain(error)
    if (!(error instanceof KafkaError)) throw error
    throw new UsageError(
      error.message,
      `Give ${user} the rights Write and Describe on ${topics.join(' and ')} by yourself, or use a Kafka with an authorizer and a user who may change it.`,
    )
  })
}

function explain(error: unknown): never {
  if (error instanceof KafkaUnreachableError)
    throw new UsageError(
      error.message,
      'Check KAFKA_BROKERS, SLUICE_KAFKA_USERNAME and SLUICE_KAFKA_TLS.',
    )
  if (error instanceof TooFewBrokersError)
    throw new UsageError(
      error.message,
      'Start the others, or list in KAFKA_BROKERS only those that exist.',
    )
  if (error instanceof KafkaError)
    throw new UsageError(
      error.message,
      `Create the topics by yourself: ${Object.values(TOPICS)
        .map(({ name, partitions }) => `${name} with ${partitions} partitions`)
        .join(', ')}; ${Object.entries({ ...SETTINGS, ...OPTIONAL_SETTINGS })
        .map((setting) => setting.join('='))
        .join(', ')}, and with three replicas min.insync.replicas=2.`,
    )
  throw error
}
