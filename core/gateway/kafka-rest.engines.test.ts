import { createTestDatabase } from '../../tests/lib/database.ts'
import { openTestKafka } from '../../tests/lib/kafka.ts'
import { kafkaRestSuite } from './kafka-rest.suite.ts'

kafkaRestSuite('Kafka', async () => {
  const database = await createTestDatabase()
  const { log } = await openTestKafka(database.url)
  return {
    log,
    databaseUrl: database.url,
    async close() {
      await log.close()
      await database.drop()
    },
  }
})
