import { afterAll, beforeAll, describe } from 'vitest'
import type { KeyRecord } from '../../contract/api-key.ts'
import { type ConfluentStub, startConfluentStub } from './confluent-stub.ts'
import {
  REMOTE_RUNTIMES,
  RUNTIMES,
  RUNTIMES_FOR_BROWSERS,
  type RunningEdge,
  type Runtime,
  startEdge,
} from './runtimes.ts'
import { type EdgeRequest, type EdgeResponse, send } from './send.ts'
import { type StubFault, type StubGateway, startStubGateway } from './stub-gateway.ts'

export interface EdgeHarness {
  runtime: Runtime
  gateway: StubGateway
  edge: RunningEdge
  /** Posts a body with a key; anything but a string is sent as JSON. */
  post(key: string, body: unknown, more?: Omit<EdgeRequest, 'body'>): Promise<EdgeResponse>
  /** Sends any request with a key, its body unchanged. */
  send(key: string, sent: EdgeRequest): Promise<EdgeResponse>
  newKey(record?: Partial<KeyRecord>): string
}

/** The gateway and the settings of the edges under test. */
export interface TestOptions {
  gateway: StubGateway
  /** Settings of the edge besides the gateway's address. */
  settings?: Record<string, string>
}

const defaultOptions = async (): Promise<TestOptions> => ({ gateway: await startStubGateway() })

/** Defines the same tests for every runtime, each with its own edge and gateway. */
export function describeEdges(
  title: string,
  define: (harness: EdgeHarness) => void,
  createOptions: () => Promise<TestOptions> = defaultOptions,
  runtimes: readonly Runtime[] = RUNTIMES,
): void {
  describe.each(runtimes)(`${title} in %s`, (runtime) => {
    const harness = {
      runtime,
      post: (key, body, { headers, ...more } = {}) =>
        send(harness.edge.port, {
          ...more,
          headers: { authorization: `Bearer ${key}`, ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      send: (key, { headers, ...sent }) =>
        send(harness.edge.port, {
          ...sent,
          headers: { authorization: `Bearer ${key}`, ...headers },
        }),
      newKey: (record) => harness.gateway.addKey(record).key,
    } as EdgeHarness
    beforeAll(async () => {
      const { gateway, settings } = await createOptions()
      harness.gateway = gateway
      harness.edge = await startEdge(runtime, gateway, settings)
    }, 60_000)
    afterAll(async () => {
      await harness.edge?.stop()
      await harness.gateway?.close()
    })
    define(harness)
  })
}

/** The same for workerd and the collector only: a whole browser is expensive, and the tests without one compare all runtimes. */
export function describeEdgesForBrowsers(
  title: string,
  define: (harness: EdgeHarness) => void,
): void {
  describeEdges(title, define, defaultOptions, RUNTIMES_FOR_BROWSERS)
}

/** Defines the same tests for every protocol to the log: Sluice's gateway, and Confluent's REST proxy in both dialects. */
export function describeDialects(title: string, define: (harness: EdgeHarness) => void): void {
  describeEdges(title, define)
  for (const dialect of ['confluent', 'redpanda'] as const)
    describeEdges(
      `${title} over the ${dialect} proxy`,
      define,
      async () => proxyOptions(await startConfluentStub(dialect)),
      REMOTE_RUNTIMES,
    )
}

/** Keys from the stub gateway, events to the proxy; counted, made to fail and closed as one. */
async function proxyOptions(proxy: ConfluentStub): Promise<TestOptions> {
  const stub = await startStubGateway()
  const gateway: StubGateway = {
    ...stub,
    requestCounts: {
      get produce() {
        return proxy.requestCount
      },
      get keys() {
        return stub.requestCounts.keys
      },
    },
    get records() {
      return proxy.records.map(({ topic, partition, key, value }) => ({
        topic,
        partition,
        key: key?.toString(),
        value: value.toString(),
      }))
    },
    produceFaults: proxy.faults as StubFault[],
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
