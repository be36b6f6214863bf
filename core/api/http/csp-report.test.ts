import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { cspReport } from './csp-report.ts'

const MINUTE = 60_000
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function setUp() {
  const lines: unknown[] = []
  const app = cspReport(
    { warn: (fields: object) => void lines.push((fields as { directives: object }).directives) },
    (_, headers) => headers.get('x-from') ?? '',
  )
  const post = async (effectiveDirective: string, from = '192.0.2.1') => {
    const body = JSON.stringify([{ body: { effectiveDirective } }])
    const headers = { 'x-from': from, 'content-length': String(body.length) }
    const peer = { incoming: { socket: { remoteAddress: '127.0.0.1' } } }
    return (await app.request('/csp-report', { method: 'POST', headers, body }, peer)).status
  }
  return { lines, post }
}

test('reports are logged by directive a minute after the first, each minute by itself', async () => {
  const { lines, post } = setUp()
  for (const directive of ['img-src', 'font-src', 'img-src']) await post(directive)
  vi.advanceTimersByTime(MINUTE - 1)
  expect(lines).toEqual([])
  vi.advanceTimersByTime(1)
  expect(lines).toEqual([{ 'img-src': 2, 'font-src': 1 }])
  vi.advanceTimersByTime(10 * MINUTE)
  expect(lines).toHaveLength(1)
  await post('img-src')
  vi.advanceTimersByTime(MINUTE)
  expect(lines).toEqual([{ 'img-src': 2, 'font-src': 1 }, { 'img-src': 1 }])
})

test('made-up directives fill neither memory nor the log', async () => {
  const { lines, post } = setUp()
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  for (let i = 0; i < 100; i++)
    await post(`x-${letters[i % 26]}${letters[Math.floor(i / 26)]}`, `192.0.2.${i}`)
  vi.advanceTimersByTime(MINUTE)
  expect(Object.keys(lines[0] as object)).toHaveLength(50)
})

test('reports are limited for each client, whichever proxy they share', async () => {
  const { post } = setUp()
  const statuses: number[] = []
  for (let i = 0; i < 21; i++) statuses.push(await post('img-src'))
  expect(statuses).toEqual([...Array(20).fill(204), 429])
  expect(await post('img-src', '192.0.2.2')).toBe(204)
  vi.advanceTimersByTime(MINUTE / 20)
  expect(await post('img-src')).toBe(204)
})
