import { Kafka, logLevel, type Message } from 'kafkajs'
import { flights } from './flights.ts'

/**
 * The baseline of bench/gateway.ts: a process that does nothing but kafkajs' `sendBatch`, as documented.
 * Its argument describes the run; a message from its parent starts it.
 */
export interface RawRun {
  brokers: string[]
  topic: string
  events: number
  /** Records in one call. */
  batch: number
  /** Concurrent calls. */
  inFlight: number
}

/** kafkajs chooses partitions itself, as the gateway does. */
async function run({ brokers, topic, events, batch, inFlight }: RawRun): Promise<void> {
  const producer = new Kafka({ brokers, logLevel: logLevel.ERROR }).producer()
  await producer.connect()
  const messages = flights(events).map(({ key, value }): Message => ({ key, value }))
  const batches: Message[][] = []
  for (let i = 0; i < messages.length; i += batch) batches.push(messages.slice(i, i + batch))

  process.on('message', async () => {
    const began = performance.now()
    let next = 0
    const sendBatches = async () => {
      for (let i = next++; i < batches.length; i = next++)
        await producer.sendBatch({
          acks: -1,
          topicMessages: [{ topic, messages: batches[i] as Message[] }],
        })
    }
    await Promise.all(Array.from({ length: inFlight }, sendBatches))
    process.send?.({ seconds: (performance.now() - began) / 1000 })
  })
  process.once('disconnect', () => process.exit())
  process.send?.({ ready: true })
}

await run(JSON.parse(process.argv[2] as string))
