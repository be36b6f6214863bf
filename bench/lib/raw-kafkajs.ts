import { Kafka, logLevel, type Message } from 'kafkajs'
import { flights } from './flights.ts'

/**
 * The floor of bench/gateway.ts: a process that does nothing but kafkajs' own `sendBatch`, as its documentation has it.
 * It is told what to send in its argument, and to go over the channel to its parent.
 */
export interface RawRun {
  brokers: string[]
  topic: string
  events: number
  /** Records in one call. */
  batch: number
  /** Calls under way at once. */
  inFlight: number
}

/** kafkajs leaves partitions to its own partitioner, as the gateway does to ours. */
async function run({ brokers, topic, events, batch, inFlight }: RawRun): Promise<void> {
  const producer = new Kafka({ brokers, logLevel: logLevel.ERROR }).producer()
  await producer.connect()
  const messages = flights(events).map(({ key, value }): Message => ({ key, value }))
  const batches: Message[][] = []
  for (let i = 0; i < messages.length; i += batch) batches.push(messages.slice(i, i + batch))

  process.on('message', async () => {
    const began = performance.now()
    let next = 0
    const lane = async () => {
      for (let i = next++; i < batches.length; i = next++)
        await producer.sendBatch({
          acks: -1,
          topicMessages: [{ topic, messages: batches[i] as Message[] }],
        })
    }
    await Promise.all(Array.from({ length: inFlight }, lane))
    process.send?.({ seconds: (performance.now() - began) / 1000 })
  })
  process.once('disconnect', () => process.exit())
  process.send?.({ ready: true })
}

await run(JSON.parse(process.argv[2] as string))
