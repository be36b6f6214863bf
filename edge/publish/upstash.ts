import { Kafka } from '@upstash/kafka'
import { produceResults } from '../../contract/log/kafka-rest.ts'
import { type KafkaRestClient, type KafkaRestRequest, ProtocolError } from './publisher.ts'

export interface UpstashSettings {
  /** Of the Kafka REST endpoint, without a slash at its end. */
  url: string
  username: string
  password: string
}

/** Over @upstash/kafka's protocol, to Upstash's Kafka over REST or to our own gateway. */
export function createUpstashClient(settings: UpstashSettings): KafkaRestClient {
  const headers = new Headers({
    'content-type': 'application/json',
    ...clientOf(new Kafka(settings)).headers,
  })

  return async (records, sendRequest) => {
    const send = (request: Omit<KafkaRestRequest, 'headers'>) =>
      sendRequest({ ...request, headers }, (response) => response)
    const kafka = withRequest(new Kafka(settings), send)
    const results = produceResults.parse(await kafka.producer().produceMany(records))
    const fits =
      results.length === records.length &&
      results.every((result, i) => result.topic === records[i]?.topic)
    if (!fits) throw new ProtocolError('the response does not fit the records')
    return results
  }
}

/**
 * The package's own request function has no timeout and tries everything five times, a wrong password
 * too. Ours replaces it; all else (paths, encoding, authorization) stays theirs.
 */
function withRequest(
  kafka: Kafka,
  send: (request: Omit<KafkaRestRequest, 'headers'>) => Promise<unknown>,
): Kafka {
  const client = clientOf(kafka)
  client.request = (method, { path, body }) =>
    send({ method, url: [client.baseUrl, ...path].join('/'), body: JSON.stringify(body) })
  return kafka
}

interface Client {
  baseUrl: string
  headers: Record<string, string>
  request(method: string, request: { path: string[]; body?: unknown }): Promise<unknown>
}

function clientOf(kafka: Kafka): Client {
  return (kafka as unknown as { client: Client }).client
}
