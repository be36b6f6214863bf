import { createPostgresLog } from '../log/postgres.ts'
import { forwarderSuite } from './forward-dead-letters.suite.ts'

forwarderSuite('Postgres', (url) => createPostgresLog({ url }))
