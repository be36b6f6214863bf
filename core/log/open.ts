import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { UsageError } from '../lib/usage-error.ts'
import { createKafkaLog, createKafkaTopics } from './kafka/kafka-log.ts'
import { KafkaError, KafkaUnreachableError } from './kafka/protocol/wire.ts'
import { TooFewBrokersError } from './kafka/topics.ts'
import { type Log, UnknownTopicError } from './log.ts'
import type { LogConfig } from './log-config.ts'
import { createPostgresLog } from './postgres/postgres-log.ts'

/** The log that the configuration names, with its topics there. @throws UsageError that says what to mend */
export async function openLog(
  config: LogConfig,
  databaseUrl: string,
  onTrouble?: (error: unknown) => void,
): Promise<Log> {
  if (config.kind === 'postgres') return createPostgresLog({ url: databaseUrl, onError: onTrouble })
  const log = await createKafkaLog({ ...config, onError: onTrouble }).catch(advise)
  try {
    for (const topic of Object.values(TOPICS)) await checkTopic(log, topic, config.prefix)
    return log
  } catch (error) {
    await log.close()
    throw error
  }
}

/** Other numbers of partitions would lead a key elsewhere than the edge leads it, or leave some unread. */
async function checkTopic(log: Log, { name, partitions }: Topic, prefix: string): Promise<void> {
  const bounds = await log.offsets(name).catch((error) => {
    if (!(error instanceof UnknownTopicError)) throw error
    throw new UsageError(
      `Kafka has no topic ${prefix}${name}.`,
      `"npx sluice migrate" makes it; or make it yourself, with ${partitions} partitions.`,
    )
  })
  if (bounds.length !== partitions)
    throw new UsageError(
      `Kafka's topic ${prefix}${name} has ${bounds.length} partitions.`,
      `It has to have ${partitions}; make it anew, or name another cluster in KAFKA_BROKERS.`,
    )
}

interface Topic {
  name: string
  partitions: number
}

/** A record as large as the gateway takes, and what Kafka puts around it. */
const MESSAGE_BYTES_MAX = LIMITS.recordBytesMax + 1024

/** Kafka unpacks what others compressed when it comes in: not every codec is one that Node can read. */
const WISHES = { 'compression.type': 'uncompressed' }
const SETTINGS = { 'max.message.bytes': `${MESSAGE_BYTES_MAX}` }

/** Makes the topics that are not there. @returns their names */
export function createTopics(config: LogConfig): Promise<string[]> {
  if (config.kind === 'postgres') return Promise.resolve([])
  return createKafkaTopics(
    config,
    Object.values(TOPICS).map((topic) => ({ ...topic, config: SETTINGS, wishes: WISHES })),
  ).catch(advise)
}

function advise(error: unknown): never {
  if (error instanceof KafkaUnreachableError)
    throw new UsageError(
      error.message,
      'Look at KAFKA_BROKERS, SLUICE_KAFKA_USERNAME and SLUICE_KAFKA_TLS.',
    )
  if (error instanceof TooFewBrokersError)
    throw new UsageError(
      error.message,
      'Start the others; or name in KAFKA_BROKERS only as many as there are to be.',
    )
  if (error instanceof KafkaError)
    throw new UsageError(
      error.message,
      `Make the topics yourself: ${Object.values(TOPICS)
        .map(({ name, partitions }) => `${name} with ${partitions} partitions`)
        .join(', ')}; ${Object.entries({ ...SETTINGS, ...WISHES })
        .map((setting) => setting.join('='))
        .join(', ')}, and of three copies min.insync.replicas=2.`,
    )
  throw error
}
