import type { QueryFixture } from '../../../../core/api/graphql/testing/fixture.ts'
import { startCollector } from '../../../../core/collector/collector.ts'
import { createDatabase } from '../../../../core/db/database.ts'
import { createKeyUseRecorder, findKeyRecord } from '../../../../core/identity/key-directory.ts'
import { createWorker } from '../../../../core/worker/worker.ts'

/** What accepts events and what stores them, on the Postgres of a fixture: keys work as they do for users. */
export interface Pipeline {
  edgeUrl: string
  close(): Promise<void>
}

export async function runPipeline({ database, log }: QueryFixture): Promise<Pipeline> {
  const db = createDatabase(database.url, { max: 2 })
  const recordUse = createKeyUseRecorder(db)
  const find = async (sha256Hex: string) => {
    const record = await findKeyRecord(db, sha256Hex)
    if (record) void recordUse(record.key_id)
    return record && { record, ageMs: 0 }
  }
  const edge = await startCollector(
    { log, keys: () => ({ find }), redis: undefined, settings: {}, report() {} },
    { host: '127.0.0.1', port: 0 },
  )
  const stop = new AbortController()
  const logger = { info() {}, warn() {}, error() {} }
  const worker = createWorker({ databaseUrl: database.url, log, logger, concurrency: 1 })
  const running = worker.run(stop.signal)
  running.catch((error) => console.error('the worker ended:', error))
  return {
    edgeUrl: edge.url,
    async close() {
      await edge.close()
      stop.abort()
      await running
      await db.destroy()
    },
  }
}
