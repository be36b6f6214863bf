import { withTimeout } from '../../lib/timeout.ts'
import { UnknownTopicError } from '../log.ts'
import { type BrokerConnection, kafkaTimeout } from './broker-connection.ts'
import type { Brokers } from './brokers.ts'
import { KafkaError } from './errors.ts'
import { createTopicRequest } from './protocol/create-topics.ts'
import { ERROR_CODES } from './protocol/error-codes.ts'

const TOPIC_ALREADY_EXISTS = 36
const LEADER_NOT_AVAILABLE = 5
const REPLICAS_MAX = 3
/** Of three replicas, so that an acknowledged record survives the loss of a broker, and appending goes on. */
const THREE_REPLICAS = { 'min.insync.replicas': '2' }
const NO_LEADER = -1
const BROKERS_RETRY_MS = 100
const LEADERS_RETRY_MS = 20
/** Settings that the operator of a Kafka may reserve. */
const RESERVED = new Set(['INVALID_CONFIG', 'POLICY_VIOLATION'])

export interface NewTopic {
  name: string
  partitions: number
  config?: Record<string, string>
  /** Settings that the topic can do without, where the operator of Kafka reserves them. */
  optionalConfig?: Record<string, string>
}

/** A topic keeps the number of replicas that it was created with, and nobody would notice how few they are. */
export class TooFewBrokersError extends Error {
  constructor(topic: string, found: number, expected: number) {
    super(
      `only ${found} of the ${expected} configured Kafka brokers are up; ${topic} would have too few replicas for ever`,
    )
    this.name = 'TooFewBrokersError'
  }
}

/** How many brokers there have to be, as far as three. */
interface CreateTopicOptions {
  expectedBrokers: number
  msMax: number
}

/**
 * Creates a topic on as many brokers as there are, at most three; where there are three, an append needs two of them.
 * @returns false where it exists already
 * @throws TooFewBrokersError
 */
export async function createTopic(
  brokers: Brokers,
  topic: NewTopic,
  options: CreateTopicOptions,
): Promise<boolean> {
  const { name, partitions, config = {}, optionalConfig = {} } = topic
  const { msMax } = options
  // A user without the right to create topics may well use those that exist.
  const existing = await brokers.leaders(name, msMax, true).catch((error) => {
    if (!(error instanceof UnknownTopicError)) throw error
  })
  if (existing) return false
  const { connection, count } = await waitForBrokers(brokers, name, options)
  const replicationFactor = Math.min(REPLICAS_MAX, count)
  const required = { ...(replicationFactor === REPLICAS_MAX && THREE_REPLICAS), ...config }
  const create = async (settings: Record<string, string>) => {
    const request = createTopicRequest(
      { name, partitions, replicationFactor, config: settings },
      Math.floor(msMax / 2),
    )
    return (await connection.send(request, msMax)).errorCode
  }
  let errorCode = await create({ ...required, ...optionalConfig })
  if (RESERVED.has(ERROR_CODES[errorCode] ?? '')) errorCode = await create(required)
  if (errorCode !== 0 && errorCode !== TOPIC_ALREADY_EXISTS)
    throw new KafkaError(errorCode, `topic ${name}`)
  await waitForLeaders(brokers, name, msMax)
  return errorCode === 0
}

/** Brokers may start together with us. */
async function waitForBrokers(
  brokers: Brokers,
  topic: string,
  { expectedBrokers, msMax }: CreateTopicOptions,
): Promise<{ connection: BrokerConnection; count: number }> {
  const deadline = performance.now() + msMax
  for (;;) {
    const found = await withTimeout(
      msMax,
      'Metadata for the controller',
      brokers.controller(msMax),
      kafkaTimeout,
    )
    if (found.count >= Math.min(REPLICAS_MAX, expectedBrokers)) return found
    if (performance.now() + BROKERS_RETRY_MS > deadline)
      throw new TooFewBrokersError(topic, found.count, expectedBrokers)
    await new Promise((resolve) => setTimeout(resolve, BROKERS_RETRY_MS))
  }
}

/** The controller responds before all brokers know the topic. */
async function waitForLeaders(brokers: Brokers, name: string, msMax: number): Promise<void> {
  const deadline = performance.now() + msMax
  for (;;) {
    const leaders = await brokers.leaders(name, msMax, true).catch((error) => {
      if (error instanceof UnknownTopicError && performance.now() < deadline) return [NO_LEADER]
      throw error
    })
    if (!leaders.includes(NO_LEADER)) return
    if (performance.now() > deadline) throw new KafkaError(LEADER_NOT_AVAILABLE, `topic ${name}`)
    await new Promise((resolve) => setTimeout(resolve, LEADERS_RETRY_MS))
  }
}
