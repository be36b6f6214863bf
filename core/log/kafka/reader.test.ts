import { describe, expect, test } from 'vitest'
import { CorruptLogError, OffsetOutOfRangeError } from '../log.ts'
import { createFetchSize } from './fetcher.ts'
import { decodeRecordSet, encodeRecordBatch } from './protocol/record-batch.ts'
import { type Fetched, fetchRequest } from './protocol/requests.ts'
import { type BrokerConnection, KafkaTimeoutError, type OwnRequest } from './protocol/wire.ts'
import { type KafkaReaderDeps, readKafkaBatches } from './reader.ts'

/** What no broker can be made to do at will; everything else is tested on a real one. */
type Answer = (partition: number, offset: number) => Partial<Fetched> & { records?: number }

const topic = 't'

/** A connection to a broker that answers fetches so. */
function wireTo(answer: Answer): BrokerConnection {
  let closed = false
  return {
    get isUsable() {
      return !closed
    },
    async request(request) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      if (closed) throw new Error('closed')
      const { body } = request as OwnRequest<unknown>
      return [...partsOf(body)].map(([partition, offset]): Fetched => {
        const { records = 0, ...rest } = answer(partition, offset)
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

/** The offsets that our own spelling of a fetch asks for. */
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

interface Reading {
  /** What was delivered, also where it ends with an error. */
  found: string[]
  from: ReadonlyMap<number, number>
}

async function read(
  rounds: Answer[],
  { found = [], from = new Map([[0, 5]]), ...deps }: Partial<KafkaReaderDeps & Reading> = {},
  wanted = 1,
) {
  const stop = new AbortController()
  const troubles: unknown[] = []
  let round = 0
  const batches = readKafkaBatches(
    {
      brokers: {
        leaders: async () => [1, 1],
        openConnection: async () => wireTo(rounds[Math.min(round++, rounds.length - 1)] as Answer),
      },
      onError: (error) => troubles.push(error),
      ...deps,
    },
    topic,
    { from, signal: stop.signal, maxRecords: 100, minIntervalMs: 0 },
  )
  for await (const each of batches) {
    for (const run of each.partitions) for (const { value } of run.records) found.push(`${value}`)
    if (found.length >= wanted) stop.abort()
  }
  return { found, troubles: troubles.map(String), rounds: round }
}

describe('a reader of Kafka', () => {
  test('that is told that there is more, and gets nothing, begins anew with connections of its own', async () => {
    const silent: Answer = (_, offset) => ({ readableTo: offset + 10 })
    const { found, troubles, rounds } = await read([silent, () => ({ records: 3 })], {
      stallMsMax: 200,
    })
    expect(found).toEqual(['5', '6', '7'])
    expect(troubles).toEqual(['Error: t/0 stands still although there is more to read'])
    expect(rounds).toBe(2)
  })

  test('that is at the end waits, however long, and begins nothing anew', async () => {
    let asked = 0
    const idle: Answer = () => ({ records: asked++ > 40 ? 1 : 0 })
    const { found, troubles, rounds } = await read([idle], { stallMsMax: 100 })
    expect({ found, troubles, rounds }).toEqual({ found: ['5'], troubles: [], rounds: 1 })
  })

  test('asks the next leader when the last one is none any more, and goes on where it was', async () => {
    let asked = 0
    const moved: Answer = () => (asked++ === 0 ? { records: 2 } : { errorCode: 6 })
    const { found, troubles } = await read([moved, () => ({ records: 2 })], {}, 4)
    expect(found).toEqual(['5', '6', '7', '8'])
    expect(troubles).toEqual(['KafkaError: t/0: Kafka says NOT_LEADER_OR_FOLLOWER'])
  })

  test('that finds a hole in what came delivers what was before it and ends there', async () => {
    const holed: Answer = (partition, offset) => ({
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

  test('delivers what came from the other partitions before it ends where one cannot be read', async () => {
    const corrupt: Answer = (partition) => ({
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

  test('goes on with what others lead while a leader is gone, until Kafka names another one', async () => {
    let leaders = [1, 2]
    const from = new Map([
      [0, 5],
      [1, 5],
    ])
    const troubles: unknown[] = []
    const found: string[] = []
    const open = async (leader: number) => {
      if (leader === 1) throw new Error('connection refused')
      return wireTo((partition) => {
        if (leaders[partition] !== leader) return { errorCode: 6 }
        return { records: 1 }
      })
    }
    const brokers = { leaders: async () => leaders, open }
    const stop = new AbortController()
    const batches = readKafkaBatches({ brokers, onError: (error) => troubles.push(error) }, topic, {
      from,
      signal: stop.signal,
      maxRecords: 100,
      minIntervalMs: 0,
    })
    for await (const { partitions } of batches) {
      for (const { partition, records } of partitions)
        for (const { value } of records) found.push(`${partition}/${value}`)
      // Often enough that it was not by chance, between one failure and the next.
      if (found.length > 30) leaders = [2, 2]
      if (found.some((each) => each.startsWith('0/'))) stop.abort()
    }
    const order = (partition: number) => found.filter((each) => each.startsWith(`${partition}/`))
    expect(order(1).length).toBeGreaterThanOrEqual(30)
    for (const partition of [0, 1])
      expect(order(partition)).toEqual(order(partition).map((_, i) => `${partition}/${5 + i}`))
    expect(troubles.map(String)).toEqual(troubles.map(() => 'Error: connection refused'))
  })

  test('asks for less where the way is slow, and for as much as ever where it no longer is', async () => {
    const asked: number[] = []
    const slow = () => {
      const wire = wireTo(() => ({ records: 1, bytes: asked.at(-1) as number }))
      return {
        ...wire,
        request: async (request: OwnRequest<unknown>, msMax: number) => {
          asked.push(request.body.readInt32BE(12))
          if (asked.length < 6 && (asked.at(-1) as number) > 1024 * 1024)
            throw new KafkaTimeoutError('Fetch', msMax)
          return wire.request(request, msMax)
        },
      } as BrokerConnection
    }
    const brokers = { leaders: async () => [1, 1], open: async () => slow() }
    const { found } = await read([], { brokers }, 5)
    expect(found).toEqual(['5', '6', '7', '8', '9'])
    expect(asked.slice(0, 8).map((bytes) => bytes / 1024 / 1024)).toEqual([4, 2, 1, 2, 1, 2, 4, 4])
  })

  test('waits longer for what is no smaller however little is asked for: one large record', () => {
    const size = createFetchSize()
    while (size.bytes > 64 * 1024) size.late(0)
    expect(size.msMax(0)).toBe(3_000)
    for (let i = 0; i < 3; i++) size.late(0)
    expect(size.msMax(0)).toBe(24_000)
    for (let i = 0; i < 3; i++) size.late(0)
    expect(size.msMax(0)).toBe(30_000)
    size.came([{ partition: 0, bytes: 4 * 1024 * 1024 }], 20_000)
    expect([size.bytes, size.msMax(0)]).toEqual([64 * 1024, 3_000])
  })

  test('goes on being more patient for a large record while little comes from its own and other brokers', async () => {
    let late = 0
    const open = async (leader: number) => {
      let first: number | undefined
      const wire = wireTo((partition) => ({ records: leader === 1 && partition === first ? 1 : 0 }))
      return {
        ...wire,
        request: async (request: OwnRequest<unknown>, msMax: number) => {
          ;[first] = partsOf(request.body).keys()
          if (leader === 1 && first === 0 && msMax < 20_000) {
            if (++late > 50) stop.abort()
            throw new KafkaTimeoutError('Fetch', msMax)
          }
          return wire.request(request, msMax)
        },
      } as BrokerConnection
    }
    const brokers = { leaders: async () => [1, 1, 2], open }
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

  test('takes no more than its buffer holds while nobody asks for a batch', async () => {
    let fetches = 0
    const endless: Answer = () => {
      fetches++
      return { records: 60 }
    }
    const stop = new AbortController()
    const batches = readKafkaBatches(
      {
        brokers: { leaders: async () => [1, 1], openConnection: async () => wireTo(endless) },
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
