import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import {
  type Log,
  type LogBatch,
  type LogRecord,
  type NewRecord,
  OffsetOutOfRangeError,
  UnknownTopicError,
} from './log.ts'

/** An empty log of a driver, for one test. */
export interface LogUnderTest {
  log: Log
  /** The same log through other connections, as another process has it. */
  another(): Promise<Log>
  topic: string
  partitions: number
  close(): Promise<void>
}

/** The promises of log.ts, for every driver. */
export function logSuite(name: string, make: () => Promise<LogUnderTest>): void {
  describe(`the ${name} log`, () => {
    let at: LogUnderTest
    beforeEach(async () => {
      at = await make()
    })
    afterEach(() => at.close())

    const append = (...records: NewRecord[]) => at.log.append(at.topic, records)
    const everywhere = (offset = 0) =>
      new Map(Array.from({ length: at.partitions }, (_, p) => [p, offset]))

    test('the identity of a log is the same for every process, and a topic that does not exist has none', async () => {
      const another = await at.another()
      try {
        expect(await another.identity(at.topic)).toBe(await at.log.identity(at.topic))
        await expect(another.identity('no-such-topic')).rejects.toThrow(UnknownTopicError)
      } finally {
        await another.close()
      }
    })

    describe('append', () => {
      test('append returns positions in the order of the records, and a reader finds each record there byte for byte', async () => {
        const records = Array.from({ length: 100 }, (_, i) =>
          record(`value ${i}`, i % at.partitions),
        )
        const before = Date.now()
        const positions = await append(...records)
        expect(positions.map((position) => position.partition)).toEqual(
          records.map((each) => each.partition),
        )
        expect(positions.every(({ timestamp }) => timestamp >= before - 1)).toBe(true)
        const found = await readUntil(at, everywhere(), 100)
        for (const [i, { partition, offset }] of positions.entries())
          expect(
            text(found.find((each) => each.partition === partition && each.offset === offset)),
          ).toBe(`value ${i}`)
      })

      test('records with missing or empty keys and with empty or arbitrary values are read unchanged', async () => {
        const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
        await append(
          { partition: 0, key: null, value: bytes },
          { partition: 0, key: Buffer.alloc(0), value: Buffer.alloc(0) },
          { partition: 0, key: bytes, value: bytes },
        )
        const found = await readUntil(at, new Map([[0, 0]]), 3)
        expect(found.map(({ key, value }) => ({ key, value }))).toEqual([
          { key: null, value: bytes },
          { key: Buffer.alloc(0), value: Buffer.alloc(0) },
          { key: bytes, value: bytes },
        ])
      })

      test('headers are read with the records that have them', async () => {
        const headers = [
          { key: 'traceparent', value: Buffer.from('00-ab') },
          { key: '', value: Buffer.from([0, 255]) },
        ]
        await append({ ...record('with', 0), headers }, record('without', 0))
        const found = await readUntil(at, new Map([[0, 0]]), 2)
        expect(found.map((each) => each.headers)).toEqual([headers, undefined])
      })

      test('several values of one MiB in one append are read whole', async () => {
        const values = [1, 2, 3].map((seed) => Buffer.alloc(1024 * 1024, `${seed}abc`))
        await append(...values.map((value) => ({ partition: 1, key: null, value })))
        const found = await readUntil(at, new Map([[1, 0]]), 3)
        expect(found.map((each) => each.offset)).toEqual([0, 1, 2])
        expect(found.every((each, i) => each.value.equals(values[i] as Buffer))).toBe(true)
      })

      test('a record without a partition is placed by its key, records without a key are placed round-robin', async () => {
        const keyed = (key: string) => ({ key: Buffer.from(key), value: Buffer.from('v') })
        const first = await append(keyed('ada'), keyed('bob'), keyed('ada'))
        const second = await append(keyed('ada'))
        expect(first[0]?.partition).toBe(first[2]?.partition)
        expect(second[0]?.partition).toBe(first[0]?.partition)
        const positions = await append(
          ...Array.from({ length: at.partitions }, () => ({ key: null, value: Buffer.from('v') })),
        )
        expect(new Set(positions.map((position) => position.partition)).size).toBe(at.partitions)
      })

      test('an append takes the maximum number of records; with one more it is refused whole', async () => {
        const many = Array.from({ length: LIMITS.logAppendRecordsMax }, (_, i) => record(`${i}`, 0))
        expect((await append(...many)).at(-1)?.offset).toBe(LIMITS.logAppendRecordsMax - 1)
        await expect(append(...many, record('one more', 0))).rejects.toThrow(RangeError)
        expect(await next(at, 0)).toBe(LIMITS.logAppendRecordsMax)
      })

      test('an append to an unknown topic or partition is refused whole', async () => {
        await expect(at.log.append('no.such.topic', [record('v', 0)])).rejects.toThrow(
          UnknownTopicError,
        )
        await expect(append(record('v', 0), record('v', at.partitions))).rejects.toThrow(
          UnknownTopicError,
        )
        expect(await next(at, 0)).toBe(0)
      })

      test('an append of no records resolves at once', async () => {
        expect(await append()).toEqual([])
      })

      test('an append with an aborted signal appends nothing', async () => {
        await expect(
          at.log.append(at.topic, [record('v', 0)], AbortSignal.abort(new Error('gone'))),
        ).rejects.toThrow('gone')
        expect(await next(at, 0)).toBe(0)
      })
    })

    describe('concurrent use', () => {
      test('eight appenders on two logs leave no offset gap, and a concurrent reader sees every offset once and in order', async () => {
        const other = await at.another()
        const total = 8 * 40 * 5
        const stop = new AbortController()
        const reading = collect(at, everywhere(), stop.signal, total)
        const acknowledged: { value: string; partition: number; offset: number }[] = []
        await Promise.all(
          Array.from({ length: 8 }, async (_, who) => {
            const log = who % 2 ? other : at.log
            for (let round = 0; round < 40; round++) {
              const records = Array.from({ length: 5 }, (_, i) =>
                record(`${who}/${round}/${i}`, (who + round + i) % at.partitions),
              )
              const positions = await log.append(at.topic, records)
              positions.forEach((position, i) => {
                acknowledged.push({ ...position, value: text(records[i]) })
              })
            }
          }),
        )
        const found = await reading
        await other.close()
        expect(found.length).toBe(total)
        const positionOf = (each: { partition: number; offset: number }) =>
          `${each.partition}:${each.offset}`
        const byPosition = new Map(found.map((each) => [positionOf(each), text(each)]))
        expect(byPosition.size).toBe(total)
        for (const each of acknowledged) expect(byPosition.get(positionOf(each))).toBe(each.value)
        for (const [partition, offsets] of offsetsOf(found)) {
          expect(offsets, `partition ${partition}`).toEqual(offsets.map((_, i) => i))
        }
      })

      test('consecutive appends of one caller keep their order', async () => {
        for (let i = 0; i < 20; i++) await append(record(`${i}`, 2))
        const found = await readUntil(at, new Map([[2, 0]]), 20)
        expect(found.map(text)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
      })
    })

    describe('batches', () => {
      test('reading begins at any offset, also within records that were appended together', async () => {
        await append(...Array.from({ length: 10 }, (_, i) => record(`${i}`, 0)))
        await append(...Array.from({ length: 10 }, (_, i) => record(`${10 + i}`, 0)))
        for (let from = 0; from < 20; from++) {
          const found = await readUntil(at, new Map([[0, from]]), 20 - from)
          expect(found.map((each) => each.offset)).toEqual(
            Array.from({ length: 20 - from }, (_, i) => from + i),
          )
        }
      })

      test('each partition batch has its base offset and the offset of the next one', async () => {
        await append(record('a', 0), record('b', 0), record('c', 1))
        const stop = new AbortController()
        const batches: LogBatch[] = []
        for await (const batch of read(at, everywhere(), stop.signal)) {
          batches.push(batch)
          if (count(batches) === 3) stop.abort()
        }
        const runs = batches.flatMap((batch) => batch.partitions)
        expect(
          runs.map(({ partition, baseOffset, nextOffset }) => ({
            partition,
            baseOffset,
            nextOffset,
          })),
        ).toEqual([
          { partition: 0, baseOffset: 0, nextOffset: 2 },
          { partition: 1, baseOffset: 0, nextOffset: 1 },
        ])
      })

      test('only the requested partitions are read', async () => {
        await append(record('mine', 1), record('not mine', 0))
        await append(record('mine', 1))
        const found = await readUntil(at, new Map([[1, 0]]), 2)
        expect(found.map(text)).toEqual(['mine', 'mine'])
      })

      test('a batch has at most the requested number of records, and a busy partition starves no other', async () => {
        for (let i = 0; i < 20; i++)
          await append(...Array.from({ length: 50 }, () => record('busy', 0)))
        await append(record('quiet', 1))
        const stop = new AbortController()
        const batches: LogBatch[] = []
        for await (const batch of read(at, everywhere(), stop.signal, { maxRecords: 200 })) {
          batches.push(batch)
          if (count(batches) === 1_001) stop.abort()
        }
        expect(batches.every((batch) => batch.recordCount <= 200)).toBe(true)
        expect(batches[0]?.partitions.map((run) => run.partition)).toContain(1)
      })

      test('records appended while the reader waits are delivered at once', async () => {
        const stop = new AbortController()
        const delays: number[] = []
        let appendedAt = 0
        const reading = (async () => {
          for await (const _ of read(at, everywhere(), stop.signal))
            delays.push(Date.now() - appendedAt)
        })()
        for (let i = 0; i < 5; i++) {
          // Idle for a moment: the reader waits and does not poll.
          await sleep(60)
          appendedAt = Date.now()
          await append(record('v', i % at.partitions))
          await expect.poll(() => delays.length).toBe(i + 1)
        }
        stop.abort()
        await reading
        expect(delays.sort((a, b) => a - b)[2]).toBeLessThan(700)
      })

      test('with few records to read, batches keep the minimum interval', async () => {
        const stop = new AbortController()
        const times: number[] = []
        let appending = true
        const busy = (async () => {
          while (appending) await append(record('v', 0))
        })()
        for await (const _ of read(at, everywhere(), stop.signal, { minIntervalMs: 100 })) {
          times.push(performance.now())
          if (times.length === 4) stop.abort()
        }
        appending = false
        await busy
        const distances = times.slice(1).map((time, i) => time - (times[i] as number))
        expect(Math.min(...distances)).toBeGreaterThan(90)
      })

      test('an aborted signal ends the iteration without an error, also while the reader waits', async () => {
        const stop = new AbortController()
        const reading = (async () => {
          for await (const _ of read(at, everywhere(), stop.signal))
            throw new Error('nothing is there')
        })()
        await sleep(50)
        stop.abort()
        await reading
        for await (const _ of read(at, everywhere(), AbortSignal.abort()))
          throw new Error('aborted')
      })

      test('closing the log ends the iteration', async () => {
        const other = await at.another()
        const reading = (async () => {
          for await (const _ of read({ ...at, log: other }, everywhere(), AbortSignal.any([]))) {
            throw new Error('nothing is there')
          }
        })()
        await sleep(50)
        await other.close()
        await reading
      })

      test('a caller that stops iterating can resume from its offsets', async () => {
        await append(...Array.from({ length: 30 }, (_, i) => record(`${i}`, 0)))
        let next = 0
        while (next < 30)
          for await (const batch of read(at, new Map([[0, next]]), AbortSignal.any([]))) {
            next = Math.min(next + 7, batch.partitions[0]?.nextOffset ?? 0)
            break
          }
        expect(next).toBe(30)
      })

      test('an offset beyond the end is an OffsetOutOfRangeError with both offsets', async () => {
        await append(record('v', 0))
        const failure = readUntil(at, new Map([[0, 7]]), 1)
        await expect(failure).rejects.toThrow(OffsetOutOfRangeError)
        await expect(failure).rejects.toMatchObject({ partition: 0, expected: 7, available: 1 })
      })

      test('reading an unknown topic or partition, or from an invalid offset, throws', async () => {
        const signal = AbortSignal.timeout(5_000)
        await expect(readUntil(at, new Map([[at.partitions, 0]]), 1)).rejects.toThrow(
          UnknownTopicError,
        )
        await expect(readUntil({ ...at, topic: 'no.such.topic' }, everywhere(), 1)).rejects.toThrow(
          UnknownTopicError,
        )
        await expect(readUntil(at, new Map([[0, -1]]), 1)).rejects.toThrow(RangeError)
        expect(signal.aborted).toBe(false)
      })
    })

    test('the log reports the start offset and the last stable offset of every partition', async () => {
      await append(record('v', 1), record('v', 1))
      expect(await at.log.offsets(at.topic)).toEqual(
        Array.from({ length: at.partitions }, (_, partition) => ({
          partition,
          logStartOffset: 0,
          lastStableOffset: partition === 1 ? 2 : 0,
        })),
      )
      await expect(at.log.offsets('no.such.topic')).rejects.toThrow(UnknownTopicError)
    })
  })
}

export function record(value: string, partition: number): NewRecord {
  return { partition, key: Buffer.from('key'), value: Buffer.from(value) }
}

export const text = (each: { value: Buffer } | undefined) => each?.value.toString() ?? ''

type Where = Pick<LogUnderTest, 'log' | 'topic'>

function read(
  at: Where,
  from: ReadonlyMap<number, number>,
  signal: AbortSignal,
  { maxRecords = 5_000, minIntervalMs = 0 } = {},
) {
  return at.log.batches(at.topic, { from, signal, maxRecords, minIntervalMs })
}

/** Reads until there are `wanted` records, checking that every partition batch continues the last one. */
export async function collect(
  at: Where,
  from: ReadonlyMap<number, number>,
  signal: AbortSignal,
  wanted: number,
  onRecords: (records: readonly LogRecord[]) => void = () => {},
): Promise<LogRecord[]> {
  const next = new Map(from)
  const found: LogRecord[] = []
  const stop = new AbortController()
  for await (const batch of read(at, from, AbortSignal.any([signal, stop.signal]))) {
    for (const run of batch.partitions) {
      expect(run.baseOffset).toBe(next.get(run.partition))
      run.records.forEach((each, i) => {
        expect(each.offset).toBe(run.baseOffset + i)
      })
      expect(run.nextOffset).toBe(run.baseOffset + run.records.length)
      next.set(run.partition, run.nextOffset)
      found.push(...run.records)
      onRecords(run.records)
    }
    if (found.length >= wanted) stop.abort()
  }
  return found
}

export function readUntil(
  at: Where,
  from: ReadonlyMap<number, number>,
  wanted: number,
): Promise<LogRecord[]> {
  return collect(at, from, AbortSignal.timeout(20_000), wanted)
}

async function next(at: Where, partition: number): Promise<number | undefined> {
  return (await at.log.offsets(at.topic))[partition]?.lastStableOffset
}

const count = (batches: readonly LogBatch[]) =>
  batches.reduce((sum, batch) => sum + batch.recordCount, 0)

function offsetsOf(records: readonly LogRecord[]): Map<number, number[]> {
  const offsets = new Map<number, number[]>()
  for (const { partition, offset } of records)
    offsets.set(partition, [...(offsets.get(partition) ?? []), offset])
  return offsets
}
