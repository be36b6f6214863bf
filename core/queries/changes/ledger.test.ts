import { expect, test } from 'vitest'
import type { MetricsResult } from '../metrics/events-over-time.ts'
import { createLedger } from './ledger.ts'

test('what changed is listed by time, and of one time the greatest change first, up or down', () => {
  const ledger = createLedger({ rows: [], info: {} } as unknown as MetricsResult)
  const change = (timestamp: string, city: string, amount: number) => ({
    ...{ timestamp, dims: [city], cause: 'LATE' as const },
    ...{ events: amount, amount: String(amount) },
  })
  const { rows, difference } = ledger.explain([
    change('2026-11-22T00:00:00Z', 'Bern', 9),
    change('2026-11-21T00:00:00Z', 'Bern', 2),
    change('2026-11-21T00:00:00Z', 'Oslo', -5),
    change('2026-11-21T00:00:00Z', 'Rome', 3),
  ])
  expect(rows.map((row) => [row.timestamp.slice(8, 10), row.difference])).toEqual([
    ['21', -5],
    ['21', 3],
    ['21', 2],
    ['22', 9],
  ])
  expect(difference).toBe(9)
})
