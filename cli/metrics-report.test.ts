import { expect, test } from 'vitest'
import { metricsCsv, printMetrics } from './query/metrics-report.ts'
import type { MetricsResult, MetricsVariables } from './query/metrics-request.ts'
import type { Terminal } from './terminal.ts'

const variables: MetricsVariables = {
  name: 'checkout',
  startTime: '2026-03-28T23:00:00Z',
  endTime: '2026-03-29T22:00:00Z',
  timeZone: 'Europe/Berlin',
  groupBy: ['plan'],
}
const result: MetricsResult = {
  points: [
    {
      timestamp: '2026-03-29T01:00:00Z',
      value: 1_234.5,
      dimensions: { plan: null },
      isFinal: true,
      lateCount: 2,
    },
  ],
  ...{ interval: 'HOUR', source: 'rollup and raw', asOf: undefined, finalThrough: undefined },
  ...{ rawSince: undefined, groups: undefined },
}

function printed(changes: Partial<MetricsResult>): string[] {
  const lines: string[] = []
  const terminal = {
    print: (line = '') => lines.push(line),
    printTable: (header: readonly string[], rows: readonly (readonly string[])[]) =>
      lines.push(...[header, ...rows].map((row) => row.join('|'))),
    muted: (line: string) => line,
  } as unknown as Terminal
  printMetrics(terminal, variables, { ...result, ...changes })
  return lines
}
const range = '2026-03-29T00:00:00+01:00 to 2026-03-30T00:00:00+02:00 (Europe/Berlin)'

test('points are printed with the offset of their own time, and what came late', () => {
  expect(printed({})).toEqual([
    'Time|plan|  Value|Final|Late',
    '2026-03-29T03:00:00+02:00|(none)|1,234.5|final|2',
    `COUNT of checkout, ${range}; source rollup and raw.`,
  ])
  expect(metricsCsv(variables, result)).toEqual([
    'timestamp,plan,value,is_final,late_count',
    '2026-03-29T03:00:00+02:00,,1234.5,true,2',
  ])
  expect(printed({ points: [] })[0]).toBe('No events in this range.')
})

test('the report notes that groups are summed up where there are more than are listed, and not where all are', () => {
  const last = (found: number) => printed({ groups: { found, listed: 100 } }).at(-1)
  expect(last(101)).toBe('101 groups; those beyond the 100 largest are (other).')
  for (const found of [100, 99]) expect(last(found)).toContain('COUNT of checkout')
})

test('events that are no longer kept are mentioned where single events were read in that time', () => {
  const last = (rawSince: string, source = 'raw') => printed({ rawSince, source }).at(-1)
  expect(last('2026-03-29T00:00:00Z')).toContain('received before 2026-03-29T01:00:00+01:00')
  expect(last('2026-03-28T23:00:00Z')).toContain('COUNT of checkout')
  expect(last('2026-03-29T00:00:00Z', 'rollup')).toContain('COUNT of checkout')
})
