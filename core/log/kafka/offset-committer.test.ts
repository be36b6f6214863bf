import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { BrokerConnection, KafkaRequest } from './broker-connection.ts'
import type { Brokers } from './brokers.ts'
import { createOffsetCommitter } from './offset-committer.ts'
import { offsetCommitRequest } from './protocol/offset-commit.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a commit that failed is tried again with the newest offset of each partition', async () => {
  const sent: Buffer[] = []
  const first = Promise.withResolvers<never>()
  const connection: Pick<BrokerConnection, 'send'> = {
    async send<T>({ body }: KafkaRequest<T>) {
      if (sent.push(body) === 1) await first.promise
      return [] as T
    },
  }
  const brokers: Pick<Brokers, 'coordinator'> = {
    coordinator: async () => connection as BrokerConnection,
  }
  const committer = createOffsetCommitter({
    brokers: brokers as Brokers,
    group: 'g',
    onError() {},
  })
  const commitOf = (...offsets: [number, number][]) =>
    offsetCommitRequest('g', new Map([['t', new Map(offsets)]])).body
  committer.note(
    't',
    new Map([
      [0, 5],
      [1, 7],
    ]),
  )
  await vi.advanceTimersByTimeAsync(1_000)
  // Applied while the commit is under way.
  committer.note('t', new Map([[0, 9]]))
  first.reject(new Error('the coordinator is gone'))
  await vi.advanceTimersByTimeAsync(2_000)
  expect(sent).toEqual([commitOf([0, 5], [1, 7]), commitOf([0, 9], [1, 7])])
  // Nothing is left to commit.
  await committer.close()
  expect(sent).toHaveLength(2)
})
