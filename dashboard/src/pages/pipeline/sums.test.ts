import { expect, test } from 'vitest'
import { cellsOf, PERIODS, sumsOf } from './sums.ts'

const minute = (at: string, counts: object) => ({
  minute: at,
  ...{ accepted: 0, stored: 0, duplicates: 0, conflicting: 0, dead: 0, inFlight: 0 },
  unaccounted: 0,
  ...counts,
})

test('what was received is what waits, what has an outcome, and what is missing, also while the count is behind', () => {
  const sums = sumsOf([
    minute('2026-11-20T10:00:00Z', {
      accepted: 10,
      stored: 5,
      dead: 1,
      inFlight: 3,
      unaccounted: 1,
    }),
    // Two are stored that are not counted yet.
    minute('2026-11-20T10:01:00Z', { accepted: 4, stored: 6 }),
    minute('2026-11-20T10:02:00Z', { accepted: 1, duplicates: 2, conflicting: 1, unaccounted: -2 }),
  ])
  expect(sums).toMatchObject({ received: 17, waiting: 3, outcomes: 15, missing: 1, surplus: 2 })
  expect(sums.received + sums.surplus).toBe(sums.waiting + sums.outcomes + sums.missing)
})

test('minutes are drawn in as many cells as there is room for, and each is in one of them', () => {
  const end = Date.parse('2026-11-20T11:00:00Z')
  const minutes = ['05:00', '10:04', '10:59'].map((at) =>
    minute(`2026-11-20T${at}:00Z`, { accepted: 1, stored: 1 }),
  )
  const cells = cellsOf(minutes, PERIODS['6h'], end)
  expect(cells).toHaveLength(72)
  expect([cells[0]?.stored, cells[60]?.stored, cells[71]?.stored]).toEqual([1, 1, 1])
  expect(cells.at(-1)?.to).toBe(end)
  // Of an earlier hour nothing is drawn.
  expect(sumsOf(minutes).stored - sum(cellsOf(minutes, PERIODS['1h'], end))).toBe(1)
})

const sum = (cells: readonly { stored: number }[]) =>
  cells.reduce((total, { stored }) => total + stored, 0)
