import { createTestDatabase } from '../../../tests/lib/database.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { kafkaRestSuite } from '../kafka-rest.suite.ts'

kafkaRestSuite('Postgres', async () => {
  const database = await createTestDatabase()
  const log = await createPostgresLog({ url: database.url })
  return {
    log,
    databaseUrl: database.url,
    async close() {
      await log.close()
      await database.drop()
    },
  }
})
