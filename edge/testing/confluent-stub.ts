import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PARTITIONS } from '../../contract/log/topics.ts'
import { applyFault, type StubFault } from './stub-gateway.ts'

/** Which proxy the stub imitates where the specification is open. */
export type Dialect = 'confluent' | 'redpanda'

export interface StubRecord {
  topic: string
  partition: number
  offset: number
  key: Buffer | undefined
  value: Buffer
}

export interface ConfluentStub {
  url: string
  username: string
  password: string
  dialect: Dialect
  /** Every record accepted, in order. */
  records: StubRecord[]
  /** Produce requests, whatever the response. */
  requestCount: number
  /** Faults for the next requests; each request consumes one, then responses are normal again. */
  faults: (StubFault | PartialFault)[]
  close(): Promise<void>
}

/** 200, but the last record failed with this error code. */
export interface PartialFault {
  code: number
}

const BINARY = 'application/vnd.kafka.binary.v2+json'
const JSON_V2 = 'application/vnd.kafka.json.v2+json'
const RESPONSE_TYPE = 'application/vnd.kafka.v2+json'

/**
 * A real HTTP server with the documented behaviour of `POST /topics/{topic}` in API v2 of Confluent's REST proxy,
 * errors included, and nothing else. As `redpanda` it has the two relevant deviations of Redpanda's HTTP Proxy:
 * one offset for each partition instead of each record, and an error for unknown members and nulls.
 * @see https://docs.confluent.io/platform/current/kafka-rest/api.html#post--topics-(string-topic_name)
 */
export async function startConfluentStub(dialect: Dialect = 'confluent'): Promise<ConfluentStub> {
  const next = new Map<string, number>()
  const password = 'a-secret-of-the-proxy-ü'
  const authorization = `Basic ${Buffer.from(`edge:${password}`).toString('base64')}`
  let nextPartition = 0

  const server = createServer(async (request, response) => {
    const respond = (status: number, body: unknown) => {
      response.writeHead(status, { 'Content-Type': RESPONSE_TYPE })
      response.end(JSON.stringify(body))
    }
    const respondError = (code: number, message: string) =>
      respond(code > 1_000 ? Math.floor(code / 100) : code, { error_code: code, message })
    if (request.headers.authorization !== authorization) return respondError(401, 'Unauthorized')
    const [, topic] = /^\/topics\/([^/]+)$/.exec(request.url ?? '') ?? []
    if (topic === undefined) return respondError(404, 'HTTP 404 Not Found')
    if (request.method !== 'POST') return respondError(405, 'HTTP 405 Method Not Allowed')
    stub.requestCount++
    const type = request.headers['content-type']
    if (type !== BINARY && type !== JSON_V2)
      return respondError(415, 'HTTP 415 Unsupported Media Type')
    if (request.headers.accept !== RESPONSE_TYPE)
      return respondError(406, 'HTTP 406 Not Acceptable')
    const records = readBody(await textOf(request), type)
    if (typeof records === 'string') return respondError(422, records)
    const count = PARTITIONS.get(topic)
    if (count === undefined) return respondError(40401, 'Topic not found.')
    if (records.some(({ partition = 0 }) => partition >= count))
      return respondError(40402, 'Partition not found.')

    const fault = stub.faults.shift()
    if (fault === 'too-few') return respond(200, { offsets: [] })
    if (typeof fault === 'object' && 'code' in fault)
      return respond(200, produceResponse(append(topic, records.slice(0, -1), count), fault.code))
    if (applyFault(fault, response, respond)) return
    respond(200, produceResponse(append(topic, records, count)))
  })

  function append(topic: string, records: readonly ProducedRecord[], count: number): StubRecord[] {
    return records.map(({ key, value, partition }) => {
      // The partitioner of a proxy depends on its configuration.
      const at = partition ?? nextPartition++ % count
      const offset = next.get(`${topic}/${at}`) ?? 0
      next.set(`${topic}/${at}`, offset + 1)
      const record = { topic, partition: at, offset, key, value }
      stub.records.push(record)
      return record
    })
  }

  function produceResponse(taken: readonly StubRecord[], failed?: number) {
    const failure = { error_code: failed, error: 'This record was not stored.' }
    if (dialect === 'confluent') {
      const offsets: object[] = taken.map(({ partition, offset }) => ({
        partition,
        offset,
        error_code: null,
        error: null,
      }))
      if (failed !== undefined) offsets.push({ partition: null, offset: null, ...failure })
      return { key_schema_id: null, value_schema_id: null, offsets }
    }
    const first = new Map<number, number>()
    for (const { partition, offset } of taken)
      if (!first.has(partition)) first.set(partition, offset)
    const offsets: object[] = [...first].map(([partition, offset]) => ({ partition, offset }))
    if (failed !== undefined) offsets.push({ partition: 0, error_code: failed, offset: -1 })
    return { offsets: offsets.reverse() }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stub: ConfluentStub = {
    url: `http://127.0.0.1:${port}`,
    username: 'edge',
    password,
    dialect,
    records: [],
    requestCount: 0,
    faults: [],
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return stub

  /** @returns the records, or an error message */
  function readBody(text: string, type: string): ProducedRecord[] | string {
    let body: unknown
    try {
      body = JSON.parse(text)
    } catch {
      return 'The body is not JSON.'
    }
    const { records, ...more } = (body ?? {}) as Record<string, unknown>
    if (!Array.isArray(records) || records.length === 0) return 'records may not be empty'
    if (dialect === 'redpanda' && Object.keys(more).length > 0) return 'unexpected member'
    const read = records.map((record) => readRecord(record, type))
    return read.find((record) => typeof record === 'string') ?? (read as ProducedRecord[])
  }

  function readRecord(record: unknown, type: string): ProducedRecord | string {
    const { key, value, partition, ...more } = (record ?? {}) as Record<string, unknown>
    if (Object.keys(more).length > 0) return 'Unrecognized field'
    if (dialect === 'redpanda' && (key === null || partition === null)) return 'null is not known'
    const isNamed = partition !== undefined && partition !== null
    if (isNamed && !(Number.isInteger(partition) && Number(partition) >= 0))
      return 'partition must be a whole number'
    const read = type === BINARY ? fromBase64 : fromJson
    const [keyBytes, valueBytes] = [read(key), read(value)]
    if (keyBytes === null || !valueBytes) return 'key and value must be base64'
    return { key: keyBytes, value: valueBytes, partition: isNamed ? Number(partition) : undefined }
  }
}

interface ProducedRecord {
  key: Buffer | undefined
  value: Buffer
  partition: number | undefined
}

/** undefined where the member is absent, null where it is not base64. */
function fromBase64(sent: unknown): Buffer | undefined | null {
  if (sent === undefined || sent === null) return undefined
  if (typeof sent !== 'string') return null
  const bytes = Buffer.from(sent, 'base64')
  return bytes.toString('base64') === sent ? bytes : null
}

/** Reformats the JSON, as a proxy does that parses and serializes it. */
function fromJson(sent: unknown): Buffer | undefined {
  return sent === undefined || sent === null ? undefined : Buffer.from(JSON.stringify(sent))
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
