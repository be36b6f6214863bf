import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Log } from '../log.ts'
import { createKafkaLog, createKafkaTopics, type KafkaOptions } from './kafka-log.ts'

/** Another producer, which compresses. */
const { Kafka } = createRequire(import.meta.url)('kafkajs')
const GZIP = 1

const MIB = 1024 * 1024
const topic = 'events'
let options: KafkaOptions
let log: Log

beforeEach(async () => {
  options = { brokers: inject('kafkaBrokers'), prefix: `${randomUUID()}.` }
  await createKafkaTopics(options, [
    { name: topic, partitions: 6, config: { 'max.message.bytes': `${4 * MIB}` } },
  ])
  log = await createKafkaLog(options)
})
afterEach(() => log.close())

const batches = (partitions: readonly number[], signal: AbortSignal) =>
  log.batches(topic, {
    from: new Map(partitions.map((partition) => [partition, 0])),
    signal,
    maxRecords: 1_000,
    minIntervalMs: 0,
  })

describe('a large backlog', () => {
  test('in many partitions is read from all of them alike, not from the first ones until they are empty', async () => {
    const everywhere = [0, 1, 2, 3, 4, 5]
    const each = 8
    for (const partition of everywhere)
      await log.append(
        topic,
        Array.from({ length: each }, () => ({ partition, key: null, value: Buffer.alloc(MIB) })),
      )
    const stop = new AbortController()
    const seen = new Map<number, number>()
    for await (const batch of batches(everywhere, stop.signal)) {
      for (const { partition, records } of batch.partitions)
        seen.set(partition, (seen.get(partition) ?? 0) + records.length)
      if (seen.size === everywhere.length) stop.abort()
    }
    expect(Math.max(...seen.values())).toBeLessThan(each)
  })

  test('of highly compressed records is read in batches that fit in memory', async () => {
    const producer = new Kafka({ brokers: options.brokers, logLevel: 0 }).producer()
    await producer.connect()
    for (const partition of [0, 1])
      for (let i = 0; i < 12; i++)
        await producer.send({
          topic: `${options.prefix}${topic}`,
          compression: GZIP,
          messages: [{ value: Buffer.alloc(3 * MIB), partition }],
        })
    await producer.disconnect()
    const stop = new AbortController()
    const sizes: number[] = []
    let read = 0
    for await (const batch of batches([0, 1], stop.signal)) {
      const values = batch.partitions.flatMap(({ records }) => records.map(({ value }) => value))
      sizes.push(values.reduce((sum, { length }) => sum + length, 0) / MIB)
      read += batch.recordCount
      if (read === 24) stop.abort()
    }
    // A buffer of eight that is not quite full, and a fetch of eight with what began in it.
    expect(Math.max(...sizes)).toBeLessThanOrEqual(20)
  })
})
