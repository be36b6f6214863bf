import { expect, test } from 'vitest'
import type { Log } from '../../log/log.ts'
import { type ReplayRequest, resolveReplayRanges } from './replay-ranges.ts'

/** Partition 0 holds offsets from 100 on and was applied up to 150; 1 from 0 up to 20; 2 was never read. */
const HELD = [100, 0, 0].map((logStartOffset, partition) => ({
  partition,
  logStartOffset,
  lastStableOffset: 500,
}))
const POSITIONS = new Map([
  [0, 150],
  [1, 20],
])
const AT = new Date('2026-11-20T09:00:00Z')
const log = {
  offsets: async () => HELD,
  offsetsAt: async (_, ms) => {
    expect(ms).toBe(AT.getTime())
    return new Map(HELD.map(({ partition }) => [partition, 130]))
  },
} as Pick<Log, 'offsets' | 'offsetsAt'> as Log

test.each<[string, ReplayRequest, [number, number, number][], number]>([
  [
    'everything that was applied',
    { from: 0 },
    [
      [0, 100, 150],
      [1, 0, 20],
    ],
    100,
  ],
  ['the part that the log still holds', { from: 60, to: 120 }, [[0, 100, 120]], 40],
  [
    'nothing where the range ends before the log begins',
    { from: 60, to: 90, partition: 0 },
    [],
    30,
  ],
  ['nothing where it ends as the log begins', { from: 60, to: 100, partition: 0 }, [], 40],
  ['no record that the workers have not applied', { from: 110, to: 400 }, [[0, 110, 150]], 0],
  ['nothing of a partition that was never read', { from: 0, partition: 2 }, [], 0],
  ['one partition', { from: 5, to: 10, partition: 1 }, [[1, 5, 10]], 0],
  ['from a time on', { from: AT }, [[0, 130, 150]], 0],
  ['up to a time', { from: 120, to: AT }, [[0, 120, 130]], 0],
])('a replay reads %s', async (_, request, ranges, expired) => {
  expect(await resolveReplayRanges(log, POSITIONS, request)).toEqual({
    ranges: ranges.map(([partition, from, to]) => ({ partition, from, to })),
    expired,
  })
})

test('what a former worker applied and the log dropped since is all expired', async () => {
  // The position itself is no longer held.
  expect(await resolveReplayRanges(log, new Map([[0, 80]]), { from: 30 })).toEqual({
    ranges: [],
    expired: 50,
  })
})
