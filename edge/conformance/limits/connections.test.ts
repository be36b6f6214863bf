import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createNodeResponse } from '../../node/send-response.ts'
import { type NodeEnv, serveEdge } from '../../node/serve-edge.ts'

const GET = 'GET /healthz HTTP/1.1\r\nHost: edge\r\n\r\n'

/** The Node edge's server in this process, in front of `respond`. */
async function serve(respond: (request: Request, env: NodeEnv) => Response | Promise<Response>) {
  const served = await serveEdge(respond, { host: '127.0.0.1', port: 0 })
  onTestFinished(() => served.close())
  return served
}

const ok = () => createNodeResponse('ok', { status: 200, headers: {} })

test('a client that resets the connection behind its request, and so has no address, is not served', async () => {
  const addresses: (string | undefined)[] = []
  const { port, url } = await serve((_, { incoming }) => {
    addresses.push(incoming.socket.remoteAddress)
    return ok()
  })
  for (let i = 0; i < 5; i++)
    await new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(GET)
        socket.resetAndDestroy()
      })
      socket.once('close', () => resolve())
    })
  expect((await fetch(url)).status).toBe(200)
  expect(addresses).toEqual(['127.0.0.1'])
})
