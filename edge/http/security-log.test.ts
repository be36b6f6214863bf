import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { EdgeContext } from './context.ts'
import type { ReportEntry } from './report.ts'
import { createSecurityLog } from './security-log.ts'

function setUp() {
  const clock = { now: 1_000_000 }
  const lines: ReportEntry[] = []
  const log = createSecurityLog(
    (entry) => lines.push(entry),
    () => clock.now,
  )
  const request = (id: string, key?: { key_id: string; tenant: string }) =>
    ({ get: (name: string) => (name === 'key' ? key : id) }) as unknown as EdgeContext
  return { clock, lines, log, request }
}

it('a denial is logged once with its request, key and address, and then counted by the minute', () => {
  const { clock, lines, log, request } = setUp()
  const key = { key_id: 'k1', tenant: 't1' }
  for (let i = 0; i < 50; i++) log.denied(request(`r${i}`, key), 'RATE_LIMITED', '192.0.2.1')
  expect(lines).toEqual([
    {
      level: 'warn',
      what: 'security event: 429 RATE_LIMITED',
      requestId: 'r0',
      security: {
        name: 'limit-exceeded',
        outcome: 'denied',
        code: 'RATE_LIMITED',
        actor: 'k1',
        tenant: 't1',
        address: '192.0.2.1',
      },
    },
  ])
  clock.now += 59_999
  log.denied(request('r50', key), 'RATE_LIMITED', '192.0.2.1')
  expect(lines).toHaveLength(1)
  clock.now += 1
  log.denied(request('later'), 'KEY_UNKNOWN', '192.0.2.2')
  expect(lines[1]?.security).toMatchObject({ actor: 'k1', count: 50 })
  expect(lines[2]).toMatchObject({ requestId: 'later', security: { name: 'credentials-refused' } })
})

it('denials of ever new addresses fill neither memory nor the log', () => {
  const { clock, lines, log, request } = setUp()
  const sent = LIMITS.deniedKindsMax + 500
  for (let i = 0; i < sent; i++) log.denied(request('r'), 'KEY_UNKNOWN', `address ${i}`)
  expect(lines).toHaveLength(LIMITS.deniedKindsMax)
  clock.now += 60_000
  log.denied(request('r'), 'KEY_UNKNOWN', 'another')
  expect(lines[LIMITS.deniedKindsMax]?.security).toEqual({ count: 500 })
})

it('all addresses of a /64 are one kind, of which the first is logged', () => {
  const { clock, lines, log, request } = setUp()
  for (let i = 0; i < 50; i++)
    log.denied(request('r'), 'KEY_UNKNOWN', `2001:db8::${i.toString(16)}`)
  log.denied(request('r'), 'KEY_UNKNOWN', '2001:db8:0:1::')
  clock.now += 60_000
  log.denied(request('r'), 'RATE_LIMITED', undefined)
  expect(lines.map(({ security }) => security)).toMatchObject([
    { address: '2001:db8::0' },
    { address: '2001:db8:0:1::' },
    { address: '2001:db8::0', count: 49 },
    { code: 'RATE_LIMITED' },
  ])
})

it('an invalid body is not a security event', () => {
  const { lines, log, request } = setUp()
  log.denied(request('r'), 'INVALID_JSON', '192.0.2.1')
  expect(lines).toEqual([])
})

it('after the clock was set back a denial begins a new minute', () => {
  const { clock, lines, log, request } = setUp()
  log.denied(request('r0'), 'KEY_UNKNOWN', '192.0.2.1')
  log.denied(request('r1'), 'KEY_UNKNOWN', '192.0.2.1')
  clock.now -= 500_000
  log.denied(request('r2'), 'KEY_UNKNOWN', '192.0.2.1')
  expect(lines).toMatchObject([
    { requestId: 'r0' },
    { security: { count: 1 } },
    { requestId: 'r2', security: { address: '192.0.2.1' } },
  ])
})
