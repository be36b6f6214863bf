import { afterAll, beforeAll, describe } from 'vitest'
import type { KeyRecord } from '../../contract/api-key.ts'
import { RUNTIMES, type RunningEdge, type Runtime, startEdge } from './runtimes.ts'
import { type Answer, type Sent, send } from './send.ts'
import { type StubGateway, startStubGateway } from './stub-gateway.ts'

export interface World {
  runtime: Runtime
  gateway: StubGateway
  edge: RunningEdge
  /** Posts with a key. */
  post(key: string, body: unknown, more?: Omit<Sent, 'body'>): Promise<Answer>
  /** Any request with a key, its body as it is. */
  send(key: string, sent: Sent): Promise<Answer>
  newKey(record?: Partial<KeyRecord>): string
}

/** The same sentences about every runtime, each with a server and a gateway of its own. */
export function describeEdges(what: string, tell: (world: World) => void): void {
  describe.each(RUNTIMES)(`${what}, in %s`, (runtime) => {
    const world = {
      runtime,
      post: (key, body, { headers, ...more } = {}) =>
        send(world.edge.port, {
          ...more,
          headers: { authorization: `Bearer ${key}`, ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      send: (key, { headers, ...sent }) =>
        send(world.edge.port, {
          ...sent,
          headers: { authorization: `Bearer ${key}`, ...headers },
        }),
      newKey: (record) => world.gateway.addKey(record).key,
    } as World
    beforeAll(async () => {
      world.gateway = await startStubGateway()
      world.edge = await startEdge(runtime, world.gateway)
    }, 30_000)
    afterAll(async () => {
      await world.edge?.stop()
      await world.gateway?.close()
    })
    tell(world)
  })
}
