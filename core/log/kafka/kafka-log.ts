import { LIMITS } from '../../../contract/limits.ts'
import type { Log } from '../log.ts'
import { createKafkaAppend } from './append.ts'
import { createConnect, parseAddress } from './broker-connection.ts'
import { type Brokers, createBrokers } from './brokers.ts'
import { type ConnectionSettings, createKafkajsClient } from './connection.ts'
import { grantAppend } from './grants.ts'
import { readIdentity } from './identity.ts'
import { createOffsetCommitter } from './offset-committer.ts'
import { offsetsAt, readOffsets } from './offsets.ts'
import { readKafkaBatches } from './reader.ts'
import { createTopic, type NewTopic } from './topics.ts'

export interface KafkaOptions extends ConnectionSettings {
  /** host:port of some brokers; the others are found through them. */
  brokers: readonly string[]
  /** Before the names of topics and of the group, where several share a Kafka. */
  prefix?: string
}

export interface KafkaLogOptions extends KafkaOptions {
  /** Called for every failed read and whatever else is retried; the log recovers by itself. */
  onError?: (error: unknown) => void
  /** How long an append may take, connecting included. */
  appendMsMax?: number
  /** How long the first connection may take; a broker may start together with us. */
  startMsMax?: number
}

const OFFSETS_MS_MAX = 2_000
const START_MS_MAX = 10_000
const START_ATTEMPT_MS_MAX = 2_000
const START_RETRY_MS = 250
/** The group whose committed offsets are moved along, for tools that show lag. */
const GROUP = 'sluice'

/**
 * The log in Kafka, 2.3 or newer. Offsets live with the reader, so it reads by partition and offset and belongs to no
 * consumer group (docs/adr/0010-kafka-without-a-consumer.md). Of a client library it takes connections alone
 * (broker-connection.ts).
 *
 * Kafka has no append over several partitions that is all or nothing: one that rejects may have come into some of them.
 *
 * @throws KafkaUnreachableError when no broker answers
 */
export async function createKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const { onError = () => {}, appendMsMax = LIMITS.logAppendMsMax, prefix = '' } = options
  const closing = new AbortController()
  // Apart: a produce must not wait behind a look-up, nor either of them behind a fetch that waits for data.
  const [appendBrokers, readBrokers] = [brokersOf(options), brokersOf(options)]
  const committer = createOffsetCommitter({ brokers: readBrokers, group: prefix + GROUP, onError })
  const append = createKafkaAppend({
    brokers: appendBrokers,
    appendMsMax,
    closing: closing.signal,
  })
  const identity = (topic: string) => readIdentity(readBrokers, prefix + topic, OFFSETS_MS_MAX)
  await waitUntilReachable(readBrokers, options.startMsMax ?? START_MS_MAX)

  return {
    append: (topic, records, signal) => append(prefix + topic, records, signal),
    batches: (topic, { signal, ...rest }) =>
      readKafkaBatches(
        { brokers: readBrokers, onError, identity: () => identity(topic) },
        prefix + topic,
        { ...rest, signal: AbortSignal.any([signal, closing.signal]) },
      ),
    identity,
    offsets: (topic) => readOffsets(readBrokers, prefix + topic, OFFSETS_MS_MAX),
    offsetsAt: (topic, ms) => offsetsAt(readBrokers, prefix + topic, ms, OFFSETS_MS_MAX),
    applied: (topic, next) => committer.note(prefix + topic, next),
    async close() {
      closing.abort(new Error('the log is closed'))
      await committer.close()
      appendBrokers.close()
      readBrokers.close()
    },
  }
}

/**
 * Creates the topics that do not exist yet, on as many brokers as there are, at most three.
 * @returns those that were created
 * @throws TooFewBrokersError where not even the brokers are up that `options` names
 */
export async function createKafkaTopics(
  options: KafkaOptions,
  topics: readonly NewTopic[],
  msMax = START_MS_MAX,
): Promise<string[]> {
  const brokers = brokersOf(options)
  const expectedBrokers = new Set(options.brokers).size
  try {
    const created: string[] = []
    await waitUntilReachable(brokers, msMax)
    for (const topic of topics) {
      const name = `${options.prefix ?? ''}${topic.name}`
      if (await createTopic(brokers, { ...topic, name }, { expectedBrokers, msMax }))
        created.push(name)
    }
    return created
  } finally {
    brokers.close()
  }
}

/**
 * Lets a user of Kafka append to these topics and nothing else.
 * @throws KafkaError e.g. SECURITY_DISABLED where Kafka has no authorizer
 */
export async function grantKafkaAppend(
  options: KafkaOptions,
  user: string,
  topics: readonly string[],
  msMax = START_MS_MAX,
): Promise<void> {
  const brokers = brokersOf(options)
  try {
    await waitUntilReachable(brokers, msMax)
    const names = topics.map((topic) => `${options.prefix ?? ''}${topic}`)
    await grantAppend(brokers, user, names, msMax)
  } finally {
    brokers.close()
  }
}

function brokersOf(options: KafkaOptions): Brokers {
  return createBrokers(
    createConnect(createKafkajsClient(options)),
    options.brokers.map(parseAddress),
  )
}

async function waitUntilReachable(brokers: Brokers, msMax: number): Promise<void> {
  const deadline = performance.now() + msMax
  for (;;)
    try {
      const left = deadline - performance.now()
      await brokers.connectAny(Math.max(1, Math.min(START_ATTEMPT_MS_MAX, left)))
      return
    } catch (error) {
      if (isRejected(error) || performance.now() + START_RETRY_MS > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS))
    }
}

/** Credentials or certificates were rejected: another attempt changes nothing. */
function isRejected(error: unknown): boolean {
  return /SASL|authentication|certificate/i.test((error as Error).message)
}
