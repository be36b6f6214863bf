import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { groupSuite } from './group.suite.ts'

groupSuite('Postgres', async (url) => {
  const log = await createPostgresLog({ url })
  return { log, env: {}, close: () => log.close() }
})
