import { createServer } from 'node:net'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isAlive } from '../../tools/process/processes.ts'
import { askGraphQL, createTestHome, redeemLink, sendEvent, type TestHome } from '../lib/sluice.ts'

let home: TestHome
beforeEach(() => {
  home = createTestHome()
})
afterEach(() => home.remove())

const LONG = { timeout: 180_000 }

test(
  'an event sent to the edge is returned by GraphQL exactly once, however often it is sent; a stop leaves no process behind',
  LONG,
  async () => {
    const { run, stop } = await home.start('--no-demo')
    const event = { event: 'page_view', event_id: 'first-1', user_id: 'u123', page: '/pricing' }
    for (let i = 0; i < 3; i++) expect((await sendEvent(run, event)).status).toBe(202)
    await expect
      .poll(() => askGraphQL(run, '{ event(id: "first-1") { name actor properties } }'), {
        timeout: 5_000,
      })
      .toEqual({ event: { name: 'page_view', actor: 'u123', properties: { page: '/pricing' } } })
    const now = Date.now()
    const range = {
      from: new Date(now - 3_600_000).toISOString(),
      to: new Date(now + 3_600_000).toISOString(),
    }
    expect(
      await askGraphQL(
        run,
        'query ($from: DateTime!, $to: DateTime!) { metrics(name: "page_view", startTime: $from, endTime: $to, interval: TOTAL) { value } }',
        range,
      ),
    ).toEqual({ metrics: [{ value: 1 }] })

    // No part of it is a superuser, and none but Postgres itself was.
    const client = new pg.Client(run.database_url)
    await client.connect()
    const { rows } = await client.query(
      `SELECT DISTINCT usename, usesuper FROM pg_stat_activity JOIN pg_user USING (usename)
        WHERE datname = current_database()`,
    )
    await client.end()
    expect(rows).toEqual([{ usename: 'sluice_owner', usesuper: false }])

    const { code, seconds } = await stop()
    expect(code).toBe(0)
    expect(seconds).toBeLessThan(40)
    expect([run.pid, run.edge_pid, run.postgres_pid].filter(isAlive)).toEqual([])
    for (const url of [run.edge_url, run.core_url]) await expect(fetch(url)).rejects.toThrow()
    expect((await home.sluice('status')).code).toBe(3)
  },
)

test(
  'with SLUICE_EDGE=workerd the /docs page holds a key, and events sent with it are stored',
  LONG,
  async () => {
    await home.remove()
    home = createTestHome({ SLUICE_EDGE: 'workerd' })
    const { run } = await home.start('--no-demo')
    const page = await (await fetch(`${run.edge_url}/docs`)).text()
    const key = /<input id="key" value="(slc_pub_[^"]+)"/.exec(page)?.[1]
    const answer = await fetch(`${run.edge_url}/v1/events?key=${key}`, {
      method: 'POST',
      body: '{"event":"tried","event_id":"from-the-page"}',
    })
    expect(answer.status).toBe(202)
    await expect
      .poll(() => askGraphQL(run, '{ event(id: "from-the-page") { name } }'), { timeout: 5_000 })
      .toEqual({ event: { name: 'tried' } })
  },
)

test('status lists all addresses and a sign-in link that works once', LONG, async () => {
  const { run, process } = await home.start('--no-demo')
  const { code, out } = await home.sluice('status', '--json')
  expect(code).toBe(0)
  const status = JSON.parse(out)
  expect(status).toMatchObject({
    edge_url: run.edge_url,
    core_url: run.core_url,
    graphql_url: run.graphql_url,
    dashboard_url: run.dashboard_url,
    gateway_url: run.gateway_url,
    database_url: run.database_url,
    write_key: run.write_key,
    read_key: run.read_key,
    log: 'postgres',
    pid: process.pid,
  })
  const signIn = await redeemLink(status.login_url)
  expect(signIn.status).toBe(204)
  const [cookie = ''] = signIn.headers.getSetCookie()
  expect(cookie).toMatch(/^sluice_session=\S+; .*HttpOnly.*SameSite=Lax/i)
  expect((await redeemLink(status.login_url)).status).toBe(401)
  // The link printed at the start is another one.
  expect((await redeemLink(run.login_url)).status).toBe(204)
  const page = await fetch(run.dashboard_url)
  expect(page.headers.get('content-type')).toContain('text/html')
})

test(
  'a second start on the same folder reports the running instance and does not disturb it',
  LONG,
  async () => {
    const [one, two] = await Promise.allSettled([home.start('--no-demo'), home.start('--no-demo')])
    const sluice = [one, two].find((start) => start.status === 'fulfilled')
    if (sluice?.status !== 'fulfilled') throw new Error('neither started')
    const again = await home.sluice('start')
    expect(again.code).toBe(0)
    expect(again.out).toContain('running')
    expect(again.out).toContain(sluice.value.run.edge_url)
    const json = JSON.parse((await home.sluice('start', '--json')).out)
    expect(json.pid).toBe(sluice.value.run.pid)
  },
)

test('the next start keeps the data and the keys', LONG, async () => {
  const first = await home.start('--no-demo')
  await sendEvent(first.run, { event: 'kept', event_id: 'kept-1' })
  await first.stop()
  const second = await home.start('--no-demo')
  expect(second.run.write_key).toBe(first.run.write_key)
  expect(second.run.read_key).toBe(first.run.read_key)
  await expect
    .poll(() => askGraphQL(second.run, '{ event(id: "kept-1") { name } }'))
    .toEqual({ event: { name: 'kept' } })
})

test('a port in use is replaced by the next free one, and the start reports it', LONG, async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as { port: number }
  const { run } = await home.start('--no-demo', '--edge-port', String(port))
  expect(run.edge_url).not.toBe(`http://127.0.0.1:${port}`)
  expect((await fetch(`${run.edge_url}/healthz`)).status).toBe(200)
  expect(run.notes).toEqual([expect.stringContaining(`Port ${port} is taken`)])
  taken.close()
})
