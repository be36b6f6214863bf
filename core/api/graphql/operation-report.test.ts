import { expect, test } from 'vitest'
import type { TenantViewer } from '../../identity/viewer.ts'
import type { Dependency, ResultInfo } from '../../queries/query-result.ts'
import { createOperationReport } from './operation-report.ts'

const range = { start: '2026-11-20T00:00:00Z', end: '2026-11-21T00:00:00Z' }
const dependency = (tenantId: number): Dependency => ({
  viewer: { tenantId } as TenantViewer,
  range,
  interval: 'DAY',
  final: true,
})
const rows: unknown[] = []

test('an operation depends on everything that its results depend on', () => {
  const report = createOperationReport()
  expect(report.dependencies).toEqual([])
  report.add('a', { rows, source: 'rollup', dependencies: [dependency(1)] })
  report.add('b', { rows, source: 'raw', dependencies: [dependency(1), dependency(2)] })
  expect(report.dependencies?.map(({ viewer }) => viewer.tenantId)).toEqual([1, 1, 2])
})

test('one result that must not be cached keeps the whole operation out of the cache', () => {
  const report = createOperationReport()
  report.add('a', { rows, source: 'raw', dependencies: null })
  report.add('b', { rows, source: 'rollup', dependencies: [dependency(1)] })
  expect(report.dependencies).toBeNull()
})

test('the info of a result is found by the key of its field', () => {
  const report = createOperationReport()
  const info = { source: 'raw', interval: 'DAY', timeZone: 'UTC' } as ResultInfo
  report.add('alias', { rows, source: 'raw', dependencies: [], info })
  report.add('totals', { rows, source: 'raw', dependencies: [] })
  expect([...report.info]).toEqual([['alias', info]])
})
