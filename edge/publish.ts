import { Kafka } from '@upstash/kafka'
import { type ProduceRecord, type ProduceResult, produceResults } from '../contract/kafka-rest.ts'
import { LIMITS } from '../contract/limits.ts'
import { describe, Refused, type Report } from './refuse.ts'
import type { Exchange } from './within.ts'

/** Resolves when the log has the records, with a position for each in their order. @throws LOG_UNAVAILABLE */
export type Publish = (records: ProduceRecord[]) => Promise<ProduceResult[]>

export interface KafkaSettings {
  /** Of the REST bridge, without a slash at its end. */
  url: string
  username: string
  password: string
}

/** Over @upstash/kafka's protocol, to Upstash's REST bridge or to our own gateway. */
export function createKafkaPublisher(
  settings: KafkaSettings,
  exchange: Exchange,
  report: Report,
): Publish {
  const kafka = withRequest(new Kafka(settings), (request) =>
    exchange(LIMITS.publishMsMax, (signal) => requestOnceOrTwice(request, signal)),
  )
  const producer = kafka.producer()

  return async (records) => {
    try {
      const results = produceResults.parse(await producer.produceMany(records))
      const fits =
        results.length === records.length &&
        results.every((result, i) => result.topic === records[i]?.topic)
      if (!fits) throw new Error('the answer does not fit the records')
      return results
    } catch (error) {
      report({
        level: 'warn',
        what: `the log did not confirm${error instanceof BridgeError ? `: status ${error.status}` : ''}`,
        error: describe(error),
      })
      throw new Refused('LOG_UNAVAILABLE', {
        headers: { 'retry-after': String(LIMITS.retryAfterSecondsWithoutLog) },
      })
    }
  }
}

/** What @upstash/kafka's own HttpClient hands over. */
interface BridgeRequest {
  url: string
  method: string
  headers: Headers
  body: string
}

/**
 * The package's own request function waits without a deadline and tries everything five times over,
 * a wrong password too. Ours takes its place; all else (paths, encoding, authorization) stays theirs.
 */
function withRequest(kafka: Kafka, send: (request: BridgeRequest) => Promise<unknown>): Kafka {
  const { client } = kafka as unknown as {
    client: {
      baseUrl: string
      headers: Record<string, string>
      request(method: string, request: { path: string[]; body?: unknown }): Promise<unknown>
    }
  }
  const headers = new Headers({ 'content-type': 'application/json', ...client.headers })
  client.request = (method, { path, body }) =>
    send({
      method,
      url: [client.baseUrl, ...path].join('/'),
      headers,
      body: JSON.stringify(body),
    })
  return kafka
}

class BridgeError extends Error {
  readonly status: number

  constructor(status: number) {
    super(`status ${status}`)
    this.name = 'BridgeError'
    this.status = status
  }
}

/**
 * A second try after a network error or a 5xx, when the records may be in the log or not: the same
 * ids make the repetition harmless.
 */
async function requestOnceOrTwice(
  { url, ...init }: BridgeRequest,
  signal?: AbortSignal,
): Promise<unknown> {
  for (let retries: number = LIMITS.publishRetriesMax; ; retries--) {
    try {
      const response = await fetch(url, { ...init, redirect: 'manual', signal })
      if (response.ok) return await response.json()
      await response.body?.cancel()
      throw new BridgeError(response.status)
    } catch (error) {
      if (signal?.aborted || retries === 0 || !mayPass(error)) throw error
    }
  }
}

/** An answer that is not JSON, or a 4xx, will be the same next time. */
function mayPass(error: unknown): boolean {
  return error instanceof BridgeError ? error.status >= 500 : !(error instanceof SyntaxError)
}
