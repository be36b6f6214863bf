import { type Brokers, within } from './kafka-brokers.ts'
import { KafkaError } from './kafka-wire.ts'
import { UnknownTopicError } from './log.ts'

const EXISTS = 36
const LEADER_NOT_AVAILABLE = 5
const REPLICAS_MAX = 3
const NOBODY = -1

interface CreateTopics {
  topicErrors: { topic: string; errorCode: number }[]
}

/** Makes a topic on as many brokers as there are, at most three. @returns false where it is there already */
export async function createTopic(
  brokers: Brokers,
  topic: { name: string; partitions: number; config?: Record<string, string> },
  msMax: number,
): Promise<boolean> {
  const { name, partitions, config = {} } = topic
  // Whoever may not make topics may well use those that are there.
  const there = await brokers.leaders(name, msMax, true).catch((error) => {
    if (!(error instanceof UnknownTopicError)) throw error
  })
  if (there) return false
  const { wire, count } = await within(msMax, 'who is in charge', brokers.controller(msMax))
  const created = await wire.request(
    {
      api: 'CreateTopics',
      fields: {
        topics: [
          {
            topic: name,
            numPartitions: partitions,
            replicationFactor: Math.min(REPLICAS_MAX, count),
            configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
          },
        ],
        validateOnly: false,
        timeout: Math.floor(msMax / 2),
      },
      read: (answer: CreateTopics) => answer.topicErrors,
    },
    msMax,
  )
  const errorCode = created[0]?.errorCode ?? -1
  if (errorCode !== 0 && errorCode !== EXISTS) throw new KafkaError(errorCode, `topic ${name}`)
  await untilThere(brokers, name, msMax)
  return errorCode === 0
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
