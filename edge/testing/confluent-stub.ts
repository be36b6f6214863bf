import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PARTITIONS } from '../../contract/log/topics.ts'
import { type Mood, misbehave } from './stub-gateway.ts'

/** Whose habits it has, where the specification leaves room. */
export type Dialect = 'confluent' | 'redpanda'

export interface TakenRecord {
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
  /** Every record taken, in order. */
  taken: TakenRecord[]
  /** How often it was asked to produce, whatever it answered. */
  asked: number
  /** How it answers the next requests; one is used up by each, then all is well again. */
  moods: (Mood | PartialMood)[]
  close(): Promise<void>
}

/** 200, but the last record did not come in, for this reason. */
export interface PartialMood {
  code: number
}

const BINARY = 'application/vnd.kafka.binary.v2+json'
const JSON_V2 = 'application/vnd.kafka.json.v2+json'
const ANSWER = 'application/vnd.kafka.v2+json'

/**
 * A real HTTP server that does what Confluent's REST proxy documents of `POST /topics/{topic}` in API v2, errors
 * included, and nothing that it does not document. As `redpanda` it has the two habits of Redpanda's HTTP Proxy that
 * matter: one offset for each partition instead of each record, and no member or null that it does not know.
 * @see https://docs.confluent.io/platform/current/kafka-rest/api.html#post--topics-(string-topic_name)
 */
export async function startConfluentStub(dialect: Dialect = 'confluent'): Promise<ConfluentStub> {
  const next = new Map<string, number>()
  const password = 'a-secret-of-the-proxy-ü'
  const authorization = `Basic ${Buffer.from(`edge:${password}`).toString('base64')}`
  let dealt = 0

  const server = createServer(async (request, response) => {
    const say = (status: number, body: unknown) => {
      response.writeHead(status, { 'Content-Type': ANSWER })
      response.end(JSON.stringify(body))
    }
    const refuse = (code: number, message: string) =>
      say(code > 1_000 ? Math.floor(code / 100) : code, { error_code: code, message })
    if (request.headers.authorization !== authorization) return refuse(401, 'Unauthorized')
    const [, topic] = /^\/topics\/([^/]+)$/.exec(request.url ?? '') ?? []
    if (topic === undefined) return refuse(404, 'HTTP 404 Not Found')
    if (request.method !== 'POST') return refuse(405, 'HTTP 405 Method Not Allowed')
    stub.asked++
    const type = request.headers['content-type']
    if (type !== BINARY && type !== JSON_V2) return refuse(415, 'HTTP 415 Unsupported Media Type')
    if (request.headers.accept !== ANSWER) return refuse(406, 'HTTP 406 Not Acceptable')
    const records = readBody(await textOf(request), type)
    if (typeof records === 'string') return refuse(422, records)
    const count = PARTITIONS.get(topic)
    if (count === undefined) return refuse(40401, 'Topic not found.')
    if (records.some(({ partition = 0 }) => partition >= count))
      return refuse(40402, 'Partition not found.')

    const mood = stub.moods.shift()
    if (mood === 'too-few') return say(200, { offsets: [] })
    if (typeof mood === 'object' && 'code' in mood)
      return say(200, answerFor(take(topic, records.slice(0, -1), count), mood.code))
    if (misbehave(mood, response, say)) return
    say(200, answerFor(take(topic, records, count)))
  })

  function take(topic: string, records: readonly Sent[], count: number): TakenRecord[] {
    return records.map(({ key, value, partition }) => {
      // Which partitioner a proxy uses is a matter of its settings.
      const at = partition ?? dealt++ % count
      const offset = next.get(`${topic}/${at}`) ?? 0
      next.set(`${topic}/${at}`, offset + 1)
      const record = { topic, partition: at, offset, key, value }
      stub.taken.push(record)
      return record
    })
  }

  function answerFor(taken: readonly TakenRecord[], failed?: number) {
    const failure = { error_code: failed, error: 'This one did not come in.' }
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
    taken: [],
    asked: 0,
    moods: [],
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return stub

  /** @returns what is wrong with it, in a sentence */
  function readBody(text: string, type: string): Sent[] | string {
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
    return read.find((each) => typeof each === 'string') ?? (read as Sent[])
  }

  function readRecord(record: unknown, type: string): Sent | string {
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

interface Sent {
  key: Buffer | undefined
  value: Buffer
  partition: number | undefined
}

/** undefined where there is none, null where it is not base64. */
function fromBase64(sent: unknown): Buffer | undefined | null {
  if (sent === undefined || sent === null) return undefined
  if (typeof sent !== 'string') return null
  const bytes = Buffer.from(sent, 'base64')
  return bytes.toString('base64') === sent ? bytes : null
}

/** As a proxy does it that reads JSON and writes it anew. */
function fromJson(sent: unknown): Buffer | undefined {
  return sent === undefined || sent === null ? undefined : Buffer.from(JSON.stringify(sent))
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
