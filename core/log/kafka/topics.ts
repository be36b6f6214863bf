import { UnknownTopicError } from '../log.ts'
import { type Brokers, within } from './brokers.ts'
import { type BrokerConnection, ERROR_CODES, KafkaError } from './protocol/wire.ts'

const EXISTS = 36
const LEADER_NOT_AVAILABLE = 5
const REPLICAS_MAX = 3
/** Of three copies, so that what is acknowledged survives a broker, and appending does too. */
const SAFE = { 'min.insync.replicas': '2' }
const NOBODY = -1
const LOOK_AGAIN_MS = 100
const RESERVED = new Set(['INVALID_CONFIG', 'POLICY_VIOLATION'])

interface CreateTopics {
  topicErrors: { topic: string; errorCode: number }[]
}

export interface NewTopic {
  name: string
  partitions: number
  config?: Record<string, string>
  /** Settings that the topic can do without, where whoever runs Kafka reserves them. */
  optionalConfig?: Record<string, string>
}

/** A topic keeps the copies that it was made with, and nobody would notice how few they are. */
export class TooFewBrokersError extends Error {
  constructor(topic: string, found: number, named: number) {
    super(
      `only ${found} of the ${named} Kafka brokers that are named are there; ${topic} would have too few copies for ever`,
    )
    this.name = 'TooFewBrokersError'
  }
}

/**
 * Makes a topic on as many brokers as there are, at most three; where there are three, an append needs two of them.
 * @param named how many brokers there have to be, as far as three
 * @returns false where it is there already
 * @throws TooFewBrokersError
 */
export async function createTopic(
  brokers: Brokers,
  topic: NewTopic,
  { named: expectedBrokers, msMax }: { named: number; msMax: number },
): Promise<boolean> {
  const { name, partitions, config = {}, optionalConfig: wishes = {} } = topic
  // Whoever may not make topics may well use those that are there.
  const there = await brokers.leaders(name, msMax, true).catch((error) => {
    if (!(error instanceof UnknownTopicError)) throw error
  })
  if (there) return false
  const { wire, count } = await enoughBrokers(brokers, topic, { named: expectedBrokers, msMax })
  const copies = Math.min(REPLICAS_MAX, count)
  const settings = { ...(copies === REPLICAS_MAX && SAFE), ...config }
  let errorCode = await create({ ...settings, ...wishes })
  if (RESERVED.has(ERROR_CODES[errorCode] ?? '')) errorCode = await create(settings)
  if (errorCode !== 0 && errorCode !== EXISTS) throw new KafkaError(errorCode, `topic ${name}`)
  await untilThere(brokers, name, msMax)
  return errorCode === 0

  async function create(entries: Record<string, string>): Promise<number> {
    const created = await wire.request(
      {
        api: 'CreateTopics',
        fields: {
          topics: [
            {
              topic: name,
              numPartitions: partitions,
              replicationFactor: copies,
              configEntries: Object.entries(entries).map(([key, value]) => ({ name: key, value })),
            },
          ],
          validateOnly: false,
          timeout: Math.floor(msMax / 2),
        },
        read: (answer: CreateTopics) => answer.topicErrors,
      },
      msMax,
    )
    return created[0]?.errorCode ?? -1
  }
}

/** Waits for brokers that start together with us. */
async function enoughBrokers(
  brokers: Brokers,
  topic: NewTopic,
  { named, msMax }: { named: number; msMax: number },
): Promise<{ wire: BrokerConnection; count: number }> {
  const deadline = performance.now() + msMax
  for (;;) {
    const found = await within(msMax, 'who is in charge', brokers.controller(msMax))
    if (found.count >= Math.min(REPLICAS_MAX, named)) return found
    if (performance.now() + LOOK_AGAIN_MS > deadline)
      throw new TooFewBrokersError(topic.name, found.count, named)
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
  }
}

/** The controller answers before all brokers have heard of it. */
async function untilThere(brokers: Brokers, name: string, msMax: number): Promise<void> {
  const deadline = performance.now() + msMax
  for (;;) {
    const leaders = await brokers.leaders(name, msMax, true).catch((error) => {
      if (error instanceof UnknownTopicError && performance.now() < deadline) return [NOBODY]
      throw error
    })
    if (!leaders.includes(NOBODY)) return
    if (performance.now() > deadline) throw new KafkaError(LEADER_NOT_AVAILABLE, `topic ${name}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
