import { createRequire } from 'node:module'
import type { ConnectionOptions } from 'node:tls'
import { LIMITS } from '../../../contract/limits.ts'
import type { Log } from '../log.ts'
import { createKafkaAppend } from './append.ts'
import { createBrokers, within } from './brokers.ts'
import { createOffsetCommitter } from './committer.ts'
import { offsetsAt, readOffsets } from './offsets.ts'
import {
  type Address,
  type BrokerConnection,
  type Connect,
  KafkaTimeoutError,
  KafkaUnreachableError,
  type KnownRequest,
  type OwnRequest,
} from './protocol/wire.ts'
import { readKafkaBatches } from './reader.ts'
import { createTopic, type NewTopic } from './topics.ts'

export interface KafkaOptions {
  /** host:port of some brokers; the others are found through them. */
  brokers: readonly string[]
  username?: string
  password?: string
  mechanism?: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  /** true: whom the system trusts; else what node:tls takes. */
  tls?: boolean | ConnectionOptions
  clientId?: string
  /** Before the names of topics and of the group, where several share a Kafka. */
  prefix?: string
}

export interface KafkaLogOptions extends KafkaOptions {
  /** Told of every failed read and of whatever else was tried again; the log goes on by itself. */
  onError?: (error: unknown) => void
  /** How long an append may take, connecting included. */
  appendMsMax?: number
  /** How long the first connection may take; a broker may start together with us. */
  startMsMax?: number
}

const BOUNDS_MS_MAX = 2_000
const START_MS_MAX = 10_000
/** Whose committed offsets are moved along, for tools that show lag. */
const GROUP = 'sluice'

/**
 * The log in Kafka, 2.3 or newer. Positions live with the reader, so it reads by partition and offset and belongs to no
 * consumer group (docs/adr/0010-kafka-without-a-consumer.md): of kafkajs it takes the connections, TLS, SASL and
 * the rarer requests, and none of the parts that are known to hang, to skip or to time out at random.
 *
 * Kafka has no append over several partitions that is all or nothing: one that rejects may have come into some of them.
 *
 * @throws KafkaUnreachableError when no broker answers
 */
export async function createKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const {
    onError: onTrouble = () => {},
    appendMsMax = LIMITS.logAppendMsMax,
    prefix = '',
  } = options
  const connect = createConnect(options)
  const seeds = options.brokers.map(readAddress)
  const closing = new AbortController()
  // Apart: a produce must not wait behind a question, nor either of them behind a fetch that waits for data.
  const [appending, asking] = [createBrokers(connect, seeds), createBrokers(connect, seeds)]
  const committer = createOffsetCommitter({
    brokers: asking,
    group: prefix + GROUP,
    onError: onTrouble,
  })
  const append = createKafkaAppend({ brokers: appending, appendMsMax, closing: closing.signal })
  await untilOneAnswers(options.startMsMax ?? START_MS_MAX, (ms) => asking.connectAny(ms))

  return {
    append: (topic, records, signal) => append(prefix + topic, records, signal),
    batches: (topic, { signal, ...rest }) =>
      readKafkaBatches({ brokers: asking, onError: onTrouble }, prefix + topic, {
        ...rest,
        signal: AbortSignal.any([signal, closing.signal]),
      }),
    offsets: (topic) => readOffsets(asking, prefix + topic, BOUNDS_MS_MAX),
    offsetsAt: (topic, ms) => offsetsAt(asking, prefix + topic, ms, BOUNDS_MS_MAX),
    applied: (topic, next) => committer.note(prefix + topic, next),
    async close() {
      closing.abort(new Error('the log is closed'))
      await committer.close()
      appending.close()
      asking.close()
    },
  }
}

/**
 * Makes the topics that are not there yet, on as many brokers as there are, at most three.
 * @returns those that were made
 * @throws TooFewBrokersError where not even those are there that `options` names
 */
export async function createKafkaTopics(
  options: KafkaOptions,
  topics: readonly NewTopic[],
  msMax = START_MS_MAX,
): Promise<string[]> {
  const brokers = createBrokers(createConnect(options), options.brokers.map(readAddress))
  const named = new Set(options.brokers).size
  try {
    const made: string[] = []
    await untilOneAnswers(msMax, (ms) => brokers.connectAny(ms))
    for (const topic of topics) {
      const name = `${options.prefix ?? ''}${topic.name}`
      if (await createTopic(brokers, { ...topic, name }, { named, msMax })) made.push(name)
    }
    return made
  } finally {
    brokers.close()
  }
}

async function untilOneAnswers(
  msMax: number,
  ask: (ms: number) => Promise<unknown>,
): Promise<void> {
  const deadline = performance.now() + msMax
  for (;;)
    try {
      await ask(Math.max(1, Math.min(2_000, deadline - performance.now())))
      return
    } catch (error) {
      if (isRefused(error) || performance.now() + 250 > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
}

/** Asking again changes nothing. */
function isRefused(error: unknown): boolean {
  return /SASL|authentication|certificate/i.test((error as Error).message)
}

function readAddress(text: string): Address {
  const [, host = '', port] = /^(?:\w+:\/\/)?\[?(.*?)\]?:(\d+)$/.exec(text.trim()) ?? []
  if (!host || !port) throw new RangeError(`"${text}" is no broker; it takes host:port`)
  return { host, port: Number(port) }
}

// From here on: kafkajs 2.2.4, the parts of it that we use. It has no types for them.

interface Connection {
  connect(): Promise<unknown>
  authenticate(): Promise<void>
  isConnected(): boolean
  setVersions(versions: object): void
  setSupportAuthenticationProtocol(supported: boolean): void
  send<T>(each: { request: object; response: object; logResponseError?: boolean }): Promise<T>
  requestQueue: { rejectAll(error: Error): void; destroy(): void }
  socket?: { destroy(): void }
}
type Definition = {
  protocol(options: { version: number }): (fields?: object) => { request: object; response: object }
}
interface QueueState {
  pending: unknown[]
  throttledUntil: number
}

const require = createRequire(import.meta.url)
const ConnectionOf: new (options: object) => Connection = require('kafkajs/src/network/connection')
const createSocketFactory = require('kafkajs/src/network/socketFactory') as () => unknown
const apiKeys: Record<string, number> = require('kafkajs/src/protocol/requests/apiKeys')
const { requests, lookup } = require('kafkajs/src/protocol/requests') as {
  requests: Record<string, Definition>
  lookup(
    versions: object,
  ): (key: number, definition: Definition) => ReturnType<Definition['protocol']>
}
const RequestQueue = require('kafkajs/src/network/requestQueue') as {
  prototype: QueueState & { scheduleCheckPendingRequests(): void }
}

/** Each connection would wake up a thousand times a second, to see that nothing waits: 4 % of a core (2.2.4). */
const schedule = RequestQueue.prototype.scheduleCheckPendingRequests
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: QueueState) {
  if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this as never)
}

const SASL_AUTHENTICATE = 36

const quiet = { namespace: () => quiet, debug() {}, info() {}, warn() {}, error() {} }
const asItIs = async (answer: unknown) => answer

function createConnect(options: KafkaOptions): Connect {
  const { username, password, mechanism = 'plain', tls, clientId = 'sluice' } = options
  const sasl = username === undefined ? null : { mechanism, username, password: password ?? '' }
  const ssl = tls === true ? {} : tls || null
  const socketFactory = createSocketFactory()

  return async function connect({ host, port }, msMax) {
    const connection = new ConnectionOf({
      host,
      port,
      ssl,
      sasl: sasl && { ...sasl },
      clientId,
      socketFactory,
      logger: quiet,
      connectionTimeout: msMax,
      requestTimeout: msMax,
      // Ours are exact, and cost no timer a connection.
      enforceRequestTimeout: false,
    })
    const shut = (error: Error) => {
      connection.requestQueue.rejectAll(error)
      connection.requestQueue.destroy()
      connection.socket?.destroy()
    }
    try {
      return await within(msMax, `${host}:${port}`, greet(connection, shut))
    } catch (error) {
      shut(error as Error)
      throw new KafkaUnreachableError(`${host}:${port}`, wordsOf(error), { cause: error })
    }
  }
}

async function greet(
  connection: Connection,
  shut: (error: Error) => void,
): Promise<BrokerConnection> {
  await connection.connect()
  const ask = requests.ApiVersions as Definition
  const { apiVersions } = await connection.send<{ apiVersions: { apiKey: number }[] }>(
    ask.protocol({ version: 2 })(),
  )
  const versions = Object.fromEntries(apiVersions.map((each) => [each.apiKey, each]))
  connection.setVersions(versions)
  connection.setSupportAuthenticationProtocol(SASL_AUTHENTICATE in versions)
  await connection.authenticate()
  return createWire(connection, lookup(versions), shut)
}

function createWire(
  connection: Connection,
  spell: ReturnType<typeof lookup>,
  shut: (error: Error) => void,
): BrokerConnection {
  let closed = false
  function close(
    reason: Error = new KafkaUnreachableError('this connection', 'it was closed'),
  ): void {
    if (closed) return
    closed = true
    shut(reason)
  }
  const known = <T>({ api, fields, read }: KnownRequest<T>) => {
    const { request, response } = spell(apiKeys[api] as number, requests[api] as Definition)(fields)
    return { request, response: { ...response, parse: async (answer: never) => read(answer) } }
  }
  const own = <T>({ apiKey, apiVersion, body, read }: OwnRequest<T>) => ({
    request: {
      apiKey,
      apiVersion,
      apiName: `${apiKey}`,
      encode: async () => ({ buf: body, buffer: body }),
    },
    response: { decode: async (answer: Buffer) => read(answer), parse: asItIs },
  })
  return {
    get isUsable() {
      return !closed && connection.isConnected()
    },
    async request(request, msMax) {
      const what = 'api' in request ? request.api : request.apiKey === 0 ? 'Produce' : 'Fetch'
      try {
        return await within(
          msMax,
          what,
          connection.send('api' in request ? known(request) : own(request)),
        )
      } catch (error) {
        if (error instanceof KafkaTimeoutError) close(error)
        throw error
      }
    },
    close,
  }
}

/** kafkajs wraps what it met. */
function wordsOf(error: unknown): string {
  const { message, code } = error as { message: string; code?: unknown }
  if (error instanceof KafkaTimeoutError) return message
  return typeof code === 'string' ? code : message.replace(/^Connection error: /, '')
}
