import { expect, test } from 'vitest'
import { formatLagCsvLine, type LagSample } from './lag-csv.ts'

const sample = (
  atMs: number,
  applied: number,
  workers: Record<string, [batches: number, ms: number]>,
): LagSample => ({
  atMs,
  report: { partitions: [], applied, lag: 7, gaps: [], otherLog: null },
  batches: new Map(
    Object.entries(workers).map(([worker, [batches, ms]]) => [worker, { batches, ms }]),
  ),
})
const first = sample(0, 1_000, { a: [10, 500] })

test('the first sample has no rate and no batch time, because nothing was before it', () => {
  expect(formatLagCsvLine(first, undefined)).toBe('1970-01-01T00:00:00.000Z,1000,7,0.0,0.0')
})

test('rate and batch time are those since the sample before, of all workers together', () => {
  // Worker b began in between: all of its batches count.
  const next = sample(2_000, 1_300, { a: [14, 700], b: [1, 100] })
  expect(formatLagCsvLine(next, first)).toBe('1970-01-01T00:00:02.000Z,1300,7,60.0,150.0')
})

test('without a batch, or without time in between, both are 0', () => {
  expect(formatLagCsvLine(sample(500, 1_000, { a: [10, 500] }), first)).toMatch(/,7,0\.0,0\.0$/)
  expect(formatLagCsvLine(sample(0, 1_300, { a: [10, 500] }), first)).toMatch(/,7,0\.0,0\.0$/)
})
