import { randomUUID } from 'node:crypto'
import { inject } from 'vitest'
import { readConfig } from '../config.ts'
import { makeTopics, openLog } from '../log/open.ts'
import { groupSuite } from './group.suite.ts'

groupSuite('Kafka', async (url) => {
  const env = {
    LOG: 'kafka',
    KAFKA_BROKERS: inject('kafkaBrokers').join(','),
    KAFKA_TOPIC_PREFIX: `${randomUUID()}.`,
  }
  const config = readConfig(env).log
  await makeTopics(config)
  const log = await openLog(config, url)
  return { log, env, close: () => log.close() }
})
