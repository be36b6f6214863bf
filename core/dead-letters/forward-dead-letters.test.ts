import { createPostgresLog } from '../log/postgres/postgres-log.ts'
import { forwarderSuite } from './forward-dead-letters.suite.ts'

forwarderSuite('Postgres', (url) => createPostgresLog({ url }))
