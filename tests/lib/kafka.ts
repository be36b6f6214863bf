import { randomUUID } from 'node:crypto'
import { inject } from 'vitest'
import { readConfig } from '../../core/config.ts'
import type { Log } from '../../core/log/log.ts'
import { createTopics, openLog } from '../../core/log/open.ts'

/** Topics of one's own on the run's real Kafka. */
export interface TestKafka {
  log: Log
  /** What makes another process find the same. */
  env: Record<string, string>
}

export function kafkaEnv(): Record<string, string> {
  return {
    SLUICE_LOG_DRIVER: 'kafka',
    KAFKA_BROKERS: inject('kafkaBrokers').join(','),
    SLUICE_KAFKA_TOPIC_PREFIX: `${randomUUID()}.`,
  }
}

export async function openTestKafka(databaseUrl: string): Promise<TestKafka> {
  const env = kafkaEnv()
  const { log: config } = readConfig(env)
  await createTopics(config)
  return { log: await openLog(config, databaseUrl), env }
}
