import { describe, expect, test } from 'vitest'
import { CorruptLogError, OffsetOutOfRangeError } from '../log.ts'
import type { BrokerConnection, KafkaRequest } from './broker-connection.ts'
import { KafkaTimeoutError } from './errors.ts'
import { createFetchSize } from './fetch-size.ts'
import { type Fetched, fetchRequest } from './protocol/fetch.ts'
import { decodeRecordSet, encodeRecordBatch } from './protocol/record-batch.ts'
import { type KafkaReaderDeps, readKafkaBatches } from './reader.ts'

/** Responses that no broker can be made to give at will; everything else is tested on a real one. */
type FetchResponder = (partition: number, offset: number) => Partial<Fetched> & { records?: number }

const topic = 't'

/** A connection to a broker that responds to fetches like this. */
function connectionTo(respond: FetchResponder): BrokerConnection {
  let closed = false
  return {
    get isUsable() {
      return !closed
    },
    async send(request) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      if (closed) throw new Error('closed')
      const { body } = request
      return [...partsOf(body)].map(([partition, offset]): Fetched => {
        const { records = 0, ...rest } = respond(partition, offset)
        const bytes = records > 0 ? batch(records, offset) : Buffer.alloc(0)
        return {
          partition,
          errorCode: 0,
          readableTo: offset + records,
          bytes: bytes.length,
          decode: (from) => decodeRecordSet({ bytes, topic, partition, from, aborted: [] }),
          ...rest,
        }
      }) as never
    },
    close() {
      closed = true
    },
  }
}

/** The offsets that an encoded fetch request asks for. */
function partsOf(body: Buffer): Map<number, number> {
  const { length } = fetchRequest(topic, [], {
    maxWaitMs: 0,
    bytesMax: 0,
    partitionBytesMax: 0,
  }).body
  const parts = new Map<number, number>()
  // Behind the head, in front of the two last fields.
  for (let at = length - 6; at + 28 <= body.length - 6; at += 28)
    parts.set(body.readInt32BE(at), Number(body.readBigInt64BE(at + 8)))
  return parts
}

function batch(records: number, offset: number): Buffer {
  const bytes = encodeRecordBatch(
    Array.from({ length: records }, (_, i) => ({ key: null, value: Buffer.from(`${offset + i}`) })),
    1,
  )
  bytes.writeBigInt64BE(BigInt(offset), 0)
  return bytes
}

interface ReadOptions {
  /** What was delivered, also where it ends with an error. */
  found: string[]
  from: ReadonlyMap<number, number>
}

async function read(
  rounds: FetchResponder[],
  { found = [], from = new Map([[0, 5]]), ...deps }: Partial<KafkaReaderDeps & ReadOptions> = {},
  wanted = 1,
) {
  const stop = new AbortController()
  const errors: unknown[] = []
  let round = 0
  const batches = readKafkaBatches(
    {
      brokers: {
        leaders: async () => [1, 1],
        openConnection: async () =>
          connectionTo(rounds[Math.min(round++, rounds.length - 1)] as FetchResponder),
      },
      onError: (error) => errors.push(error),
      ...deps,
    },
    topic,
    { from, signal: stop.signal, maxRecords: 100, minIntervalMs: 0 },
  )
  for await (const each of batches) {
    for (const run of each.partitions) for (const { value } of run.records) found.push(`${value}`)
    if (found.length >= wanted) stop.abort()
  }
  return { found, errors: errors.map(String), rounds: round }
}

describe('the Kafka reader', () => {
  test('opens a new connection when the broker says that there is more but delivers nothing', async () => {
    const silent: FetchResponder = (_, offset) => ({ readableTo: offset + 10 })
    const { found, errors, rounds } = await read([silent, () => ({ records: 3 })], {
      stallMsMax: 200,
    })
    expect(found).toEqual(['5', '6', '7'])
    expect(errors).toEqual(['Error: t/0 makes no progress although there is more to read'])
    expect(rounds).toBe(2)
  })

  test('waits at the end of the log as long as it takes, on the same connection', async () => {
    let asked = 0
    const idle: FetchResponder = () => ({ records: asked++ > 40 ? 1 : 0 })
    const { found, errors, rounds } = await read([idle], { stallMsMax: 100 })
    expect({ found, errors, rounds }).toEqual({ found: ['5'], errors: [], rounds: 1 })
  })

  test('asks the new leader when the leader changes, and reads on where it was', async () => {
    let asked = 0
    const moved: FetchResponder = () => (asked++ === 0 ? { records: 2 } : { errorCode: 6 })
    const { found, errors } = await read([moved, () => ({ records: 2 })], {}, 4)
    expect(found).toEqual(['5', '6', '7', '8'])
    expect(errors).toEqual(['KafkaError: t/0: Kafka responded NOT_LEADER_OR_FOLLOWER'])
  })

  test('delivers the records before an offset gap and then throws OffsetOutOfRangeError', async () => {
    const holed: FetchResponder = (partition, offset) => ({
      bytes: 100,
      decode: (from) => {
        const bytes = Buffer.concat(offset < 7 ? [batch(2, 5), batch(2, 10)] : [batch(2, 10)])
        return decodeRecordSet({ bytes, topic, partition, from, aborted: [] })
      },
    })
    const found: string[] = []
    const failure = read([holed], { found }, 10)
    await expect(failure).rejects.toThrow(OffsetOutOfRangeError)
    await expect(failure).rejects.toMatchObject({ expected: 7, available: 10 })
    expect(found).toEqual(['5', '6'])
  })

  test('delivers the records of the other partitions before it throws for a corrupt one', async () => {
    const corrupt: FetchResponder = (partition) => ({
      records: 2,
      ...(partition === 0 && {
        decode: () => {
          throw new CorruptLogError(topic, 0, 5, 'a bit was turned')
        },
      }),
    })
    const found: string[] = []
    const from = new Map([
      [0, 5],
      [1, 8],
    ])
    await expect(read([corrupt], { found, from }, 10)).rejects.toThrow(CorruptLogError)
    expect(found).toEqual(['8', '9'])
  })

  test('reads the partitions of other leaders while one leader is gone, until Kafka names a new one', async () => {
    let leaders = [1, 2]
    const from = new Map([
      [0, 5],
      [1, 5],
    ])
    const errors: unknown[] = []
    const found: string[] = []
    const openConnection = async (leader: number) => {
      if (leader === 1) throw new Error('connection refused')
      return connectionTo((partition) => {
        if (leaders[partition] !== leader) return { errorCode: 6 }
        return { records: 1 }
      })
    }
    const brokers = { leaders: async () => leaders, openConnection }
    const stop = new AbortController()
    const batches = readKafkaBatches({ brokers, onError: (error) => errors.push(error) }, topic, {
      from,
      signal: stop.signal,
      maxRecords: 100,
      minIntervalMs: 0,
    })
    for await (const { partitions } of batches) {
      for (const { partition, records } of partitions)
        for (const { value } of records) found.push(`${partition}/${value}`)
      // More than could come by chance between one failure and the next.
      if (found.length > 30) leaders = [2, 2]
      if (found.some((each) => each.startsWith('0/'))) stop.abort()
    }
    const order = (partition: number) => found.filter((each) => each.startsWith(`${partition}/`))
    expect(order(1).length).toBeGreaterThanOrEqual(30)
    for (const partition of [0, 1])
      expect(order(partition)).toEqual(order(partition).map((_, i) => `${partition}/${5 + i}`))
    expect(errors.map(String)).toEqual(errors.map(() => 'Error: connection refused'))
  })

  test('fetches fewer bytes while the network is slow, and as many as before when it recovers', async () => {
    const asked: number[] = []
    const slow = () => {
      const connection = connectionTo(() => ({ records: 1, bytes: asked.at(-1) as number }))
      return {
        ...connection,
        send: async (request: KafkaRequest<unknown>, msMax: number) => {
          asked.push(request.body.readInt32BE(12))
          if (asked.length < 6 && (asked.at(-1) as number) > 1024 * 1024)
            throw new KafkaTimeoutError('Fetch', msMax)
          return connection.send(request, msMax)
        },
      } as BrokerConnection
    }
    const brokers = { leaders: async () => [1, 1], openConnection: async () => slow() }
    const { found } = await read([], { brokers }, 5)
    expect(found).toEqual(['5', '6', '7', '8', '9'])
    expect(asked.slice(0, 8).map((bytes) => bytes / 1024 / 1024)).toEqual([4, 2, 1, 2, 1, 2, 4, 4])
  })

  test('waits longer for one large record, which no smaller fetch makes smaller', () => {
    const size = createFetchSize()
    while (size.bytes > 64 * 1024) size.onTimeout(0)
    expect(size.msMax(0)).toBe(3_000)
    for (let i = 0; i < 3; i++) size.onTimeout(0)
    expect(size.msMax(0)).toBe(24_000)
    for (let i = 0; i < 3; i++) size.onTimeout(0)
    expect(size.msMax(0)).toBe(30_000)
    size.onFetched([{ partition: 0, bytes: 4 * 1024 * 1024 }], 20_000)
    expect([size.bytes, size.msMax(0)]).toEqual([64 * 1024, 3_000])
  })

  test('keeps waiting longer for a large record while other partitions deliver little', async () => {
    let late = 0
    const openConnection = async (leader: number) => {
      let first: number | undefined
      const connection = connectionTo((partition) => ({
        records: leader === 1 && partition === first ? 1 : 0,
      }))
      return {
        ...connection,
        send: async (request: KafkaRequest<unknown>, msMax: number) => {
          ;[first] = partsOf(request.body).keys()
          if (leader === 1 && first === 0 && msMax < 20_000) {
            if (++late > 50) stop.abort()
            throw new KafkaTimeoutError('Fetch', msMax)
          }
          return connection.send(request, msMax)
        },
      } as BrokerConnection
    }
    const brokers = { leaders: async () => [1, 1, 2], openConnection }
    const stop = new AbortController()
    const found: string[] = []
    const batches = readKafkaBatches({ brokers, onError: () => {} }, topic, {
      from: new Map([0, 1, 2].map((partition) => [partition, 5])),
      signal: stop.signal,
      maxRecords: 100,
      minIntervalMs: 0,
    })
    for await (const { partitions } of batches) {
      for (const { partition } of partitions) found.push(`${partition}`)
      if (found.includes('0')) stop.abort()
    }
    expect(found).toContain('0')
    // Six times for less, three times for longer.
    expect(late).toBe(9)
  })

  test('fetches no more than its buffer holds while nobody takes a batch', async () => {
    let fetches = 0
    const endless: FetchResponder = () => {
      fetches++
      return { records: 60 }
    }
    const stop = new AbortController()
    const batches = readKafkaBatches(
      {
        brokers: { leaders: async () => [1, 1], openConnection: async () => connectionTo(endless) },
        onError: () => {},
      },
      topic,
      {
        from: new Map([[0, 0]]),
        signal: stop.signal,
        maxRecords: 100,
        minIntervalMs: 0,
      },
    )[Symbol.asyncIterator]()
    const first = await batches.next()
    expect(first.value?.recordCount).toBe(60)
    await new Promise((resolve) => setTimeout(resolve, 300))
    // Two more fill a batch of a hundred; then it waits.
    expect(fetches).toBe(3)
    expect((await batches.next()).value?.recordCount).toBe(100)
    stop.abort()
    await batches.next()
  })
})
