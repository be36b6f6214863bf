import { afterAll, beforeAll, describe } from 'vitest'
import type { KeyRecord } from '../../contract/api-key.ts'
import { type ConfluentStub, startConfluentStub } from './confluent-stub.ts'
import { RUNTIMES, type RunningEdge, type Runtime, startEdge } from './runtimes.ts'
import { type Answer, type Sent, send } from './send.ts'
import { type Mood, type StubGateway, startStubGateway } from './stub-gateway.ts'

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

/** What a world is made of besides the edge. */
export interface Surroundings {
  gateway: StubGateway
  /** What the edge is told besides the gateway's address. */
  settings?: Record<string, string>
}

const plain = async (): Promise<Surroundings> => ({ gateway: await startStubGateway() })

/** The same sentences about every runtime, each with a server and a gateway of its own. */
export function describeEdges(
  what: string,
  tell: (world: World) => void,
  surround: () => Promise<Surroundings> = plain,
): void {
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
      const { gateway, settings } = await surround()
      world.gateway = gateway
      world.edge = await startEdge(runtime, gateway, settings)
    }, 30_000)
    afterAll(async () => {
      await world.edge?.stop()
      await world.gateway?.close()
    })
    tell(world)
  })
}

/** The same about every way to the log: our gateway's protocol, and Confluent's as both kinds of proxies speak it. */
export function describeFlavours(what: string, tell: (world: World) => void): void {
  describeEdges(what, tell)
  for (const dialect of ['confluent', 'redpanda'] as const)
    describeEdges(`${what}, over ${dialect}’s proxy`, tell, async () =>
      behindProxy(await startConfluentStub(dialect)),
    )
}

/** Keys from the gateway, events to the proxy; asked, moody and closed as one. */
async function behindProxy(proxy: ConfluentStub): Promise<Surroundings> {
  const stub = await startStubGateway()
  const gateway: StubGateway = {
    ...stub,
    asked: {
      get produce() {
        return proxy.asked
      },
      get keys() {
        return stub.asked.keys
      },
    },
    get taken() {
      return proxy.taken.map(({ topic, partition, key, value }) => ({
        topic,
        partition,
        key: key?.toString(),
        value: value.toString(),
      }))
    },
    produceMoods: proxy.moods as Mood[],
    async close() {
      await Promise.all([stub.close(), proxy.close()])
    },
  }
  return { gateway, settings: proxySettings(proxy) }
}

export function proxySettings({ url, username, password }: ConfluentStub): Record<string, string> {
  return {
    SLUICE_KAFKA_REST_DIALECT: 'confluent',
    SLUICE_KAFKA_REST_URL: url,
    SLUICE_KAFKA_REST_USERNAME: username,
    SLUICE_KAFKA_REST_PASSWORD: password,
  }
}
