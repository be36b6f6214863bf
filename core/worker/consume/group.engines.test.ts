import { openTestKafka } from '../../../tests/lib/kafka.ts'
import { groupSuite } from './group.suite.ts'

groupSuite('Kafka', async (url) => {
  const { log, env } = await openTestKafka(url)
  return { log, env, close: () => log.close() }
})
