import { createPostgresLog } from '../log/postgres.ts'
import { replaySuite } from './replay.suite.ts'

replaySuite('Postgres', (url) => createPostgresLog({ url }))
