import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TOPICS } from '../../contract/log/topics.ts'
import { createPostgresLog } from '../../core/log/postgres/postgres-log.ts'
import { commandLine, isAlive } from '../../tools/process/processes.ts'
import { askGraphQL, createTestHome, sendEvent, type TestHome } from '../lib/sluice.ts'

let home: TestHome
beforeEach(() => {
  home = createTestHome()
})
afterEach(() => home.remove())

/** The edges that the first records in the log name. */
async function edgesInLog(databaseUrl: string, count: number): Promise<string[]> {
  const log = await createPostgresLog({ url: databaseUrl })
  const stop = new AbortController()
  const offsets = await log.offsets(TOPICS.raw.name)
  const edges: string[] = []
  for await (const { partitions } of log.batches(TOPICS.raw.name, {
    from: new Map(offsets.map(({ partition, logStartOffset }) => [partition, logStartOffset])),
    signal: stop.signal,
    maxRecords: 100,
    minIntervalMs: 0,
  })) {
    for (const { records } of partitions)
      edges.push(...records.map(({ value }) => JSON.parse(String(value)).edge))
    if (edges.length >= count) stop.abort()
  }
  await log.close()
  return edges
}

test('npm start accepts events by the collector, shows a key on its page, and restarts it on its port', async () => {
  const { run, stop } = await home.start('--no-demo')
  expect(commandLine(run.edge_pid)).toMatch(/core\/main\.ts collector$/)
  expect((await sendEvent(run, { event: 'a', event_id: 'first' })).status).toBe(202)
  const page = await (await fetch(`${run.edge_url}/docs`)).text()
  const key = /<input id="key" value="(slc_pub_[^"]+)"/.exec(page)?.[1]
  const tried = await fetch(`${run.edge_url}/v1/events?key=${key}`, {
    method: 'POST',
    body: '{"event":"tried","event_id":"from-the-page"}',
  })
  expect(tried.status).toBe(202)
  for (const [id, name] of [
    ['first', 'a'],
    ['from-the-page', 'tried'],
  ])
    await expect
      .poll(() => askGraphQL(run, `{ event(id: "${id}") { name } }`))
      .toEqual({ event: { name } })
  expect(await edgesInLog(run.database_url, 2)).toEqual(['local', 'local'])

  process.kill(run.edge_pid, 'SIGKILL')
  const send = () =>
    sendEvent(run, { event: 'b' }).then(
      ({ status }) => status,
      () => 'away',
    )
  await expect.poll(send).toBe(202)
  const { edge_pid: restarted } = JSON.parse((await home.sluice('status', '--json')).out)
  expect(restarted).not.toBe(run.edge_pid)
  // Its output is where that of the edge in workerd is.
  expect(readFileSync(join(home.folder, 'edge.log'), 'utf8')).toContain('"msg":"ready"')
  expect((await stop()).code).toBe(0)
  expect([run.pid, restarted, run.core_pid, run.postgres_pid].filter(isAlive)).toEqual([])
})
