import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { replaySuite } from './replay.suite.ts'

replaySuite('Postgres', (url) => createPostgresLog({ url }))
