import { connect } from 'node:net'
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { serveApp } from './serve.ts'

/** A response that is sent when `letGo` is called. */
function slowApp() {
  const { promise: letGo, resolve } = Promise.withResolvers<void>()
  const app = new Hono()
  app.get('/slow', async (c) => {
    await letGo
    return c.text('done')
  })
  app.get('/quick', (c) => c.text('quick'))
  return { app, letGo: resolve }
}

test('closing waits for running requests, and not for idle connections', async () => {
  const { app, letGo } = slowApp()
  const served = await serveApp(app, { port: 0 })
  // One connection that is kept alive, and one without a request.
  await (await fetch(`${served.url}/quick`)).text()
  const silent = connect(served.port, '127.0.0.1')
  await new Promise((done) => silent.once('connect', done))
  silent.on('error', () => {})
  const slow = fetch(`${served.url}/slow`)
  await expect.poll(async () => (await fetch(`${served.url}/quick`)).status).toBe(200)
  const began = Date.now()
  const closed = served.close(10_000)
  letGo()
  expect(await (await slow).text()).toBe('done')
  await closed
  expect(Date.now() - began).toBeLessThan(8_000)
  await expect(fetch(`${served.url}/quick`)).rejects.toThrow()
})

test('closing cuts a request that never ends after the grace time', async () => {
  const { app } = slowApp()
  const served = await serveApp(app, { port: 0 })
  const slow = fetch(`${served.url}/slow`)
  slow.catch(() => {})
  await expect.poll(async () => (await fetch(`${served.url}/quick`)).status).toBe(200)
  await served.close(100)
  await expect(slow).rejects.toThrow()
})

test('a port in use is reported as EADDRINUSE', async () => {
  const { app } = slowApp()
  const first = await serveApp(app, { port: 0 })
  await expect(serveApp(app, { port: first.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await first.close()
})

test('a client that resets the connection behind its request, and so has no address, is not served', async () => {
  const addresses: (string | undefined)[] = []
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.get('/', (c) => {
    addresses.push(c.env.incoming.socket.remoteAddress)
    return c.text('ok')
  })
  const served = await serveApp(app, { port: 0 })
  await new Promise<void>((resolve) => {
    const socket = connect(served.port, '127.0.0.1', () => {
      socket.write('GET / HTTP/1.1\r\nHost: core\r\n\r\n')
      socket.resetAndDestroy()
    })
    socket.once('close', () => resolve())
  })
  expect((await fetch(served.url)).status).toBe(200)
  expect(addresses).toEqual(['127.0.0.1'])
  await served.close()
})
