import { expect, it } from 'vitest'
import type { ReportEntry } from '../../http/report.ts'
import { createMemoryEdge } from '../../testing/memory-edge.ts'

const MINUTE = 60_000
const reportOf = (effectiveDirective: string) => JSON.stringify([{ body: { effectiveDirective } }])

function setUp() {
  const clock = { now: 1_000_000 }
  const from = { address: '192.0.2.1' }
  const lines: ReportEntry[] = []
  const edge = createMemoryEdge({
    addressOf: () => from.address,
    now: () => clock.now,
    report: (entry) => lines.push(entry),
  })
  const post = async (body: string) => {
    const headers = { 'content-length': String(body.length) }
    return (await edge.request('/docs/csp-report', { method: 'POST', headers, body })).status
  }
  return { clock, from, post, directives: () => lines.map(({ directives }) => directives) }
}

it('each minute has its own hundred reports, fifty of an address, and its line counts those since the line before', async () => {
  const { clock, from, post, directives } = setUp()
  await post(reportOf('img-src'))
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
    from.address = address
    for (let i = 0; i < 200; i++)
      await post(reportOf(address === '192.0.2.1' ? 'style-src' : 'script-src'))
  }
  clock.now += MINUTE - 1
  await post(reportOf('script-src'))
  expect(directives()).toEqual([{ 'img-src': 1 }])
  clock.now += 1
  await post(reportOf('font-src'))
  clock.now += MINUTE
  await post(reportOf('font-src'))
  expect(directives()).toEqual([
    { 'img-src': 1 },
    { 'style-src': 49, 'script-src': 50, 'font-src': 1 },
    { 'font-src': 1 },
  ])
})

it('a report that was read leaves the place of the next one of its address', async () => {
  const { post } = setUp()
  const large = reportOf('img-src').padEnd(16 * 1024)
  const statuses = []
  for (let i = 0; i < 100; i++) statuses.push(await post(large))
  expect(new Set(statuses)).toEqual(new Set([204]))
})
