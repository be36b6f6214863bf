import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSecurityLog, type SecurityEvent } from './security-log.ts'

const lines: { level: string; fields: unknown; message: string }[] = []
const logger = {
  info: (fields: object, message: string) => void lines.push({ level: 'info', fields, message }),
  warn: (fields: object, message: string) => void lines.push({ level: 'warn', fields, message }),
}
beforeEach(() => {
  lines.length = 0
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

const denied = (changes: Partial<SecurityEvent> = {}): SecurityEvent => ({
  name: 'credentials-refused',
  outcome: 'denied',
  address: '203.0.113.1',
  ...changes,
})

test('every allowed event has a line of its own', () => {
  const log = createSecurityLog(logger as never)
  const event: SecurityEvent = { name: 'sign-in', outcome: 'allowed', actor: 'operator' }
  log.record(event)
  log.record(event)
  expect(lines).toEqual([
    { level: 'info', fields: { security: event }, message: 'security event' },
    { level: 'info', fields: { security: event }, message: 'security event' },
  ])
})

test('denials of one kind have one line at once and their count a minute later', () => {
  const log = createSecurityLog(logger as never)
  for (let i = 0; i < 5; i++) log.record(denied({ requestId: `r${i}` }))
  log.record(denied({ address: '203.0.113.2' }))
  expect(lines.map(({ fields }) => fields)).toEqual([
    { security: denied({ requestId: 'r0' }) },
    { security: denied({ address: '203.0.113.2' }) },
  ])
  vi.advanceTimersByTime(60_000)
  expect(lines.slice(2)).toEqual([
    {
      level: 'warn',
      fields: { security: { ...denied({ requestId: 'r0' }), count: 4 } },
      message: 'security event repeated within a minute',
    },
  ])
  log.record(denied())
  expect(lines).toHaveLength(4)
})

test('all addresses of an IPv6 /64 are one kind, of which the first is logged', () => {
  const log = createSecurityLog(logger as never)
  for (const last of ['1', '2', 'aaaa:bbbb:cccc:dddd'])
    log.record(denied({ address: `2001:db8:0:1:${last.includes(':') ? '' : ':'}${last}` }))
  log.close()
  expect(lines.map(({ fields }) => fields)).toEqual([
    { security: denied({ address: '2001:db8:0:1::1' }) },
    { security: { ...denied({ address: '2001:db8:0:1::1' }), count: 2 } },
  ])
})

test('a flood from many addresses has a bounded number of lines, and closing writes its count', () => {
  const log = createSecurityLog(logger as never)
  for (let i = 0; i < 5_000; i++) log.record(denied({ address: `2001:db8:0:${i.toString(16)}::1` }))
  expect(lines).toHaveLength(1_000)
  log.close()
  expect(lines.slice(1_000).map(({ fields }) => fields)).toEqual([
    { security: expect.objectContaining({ detail: 'other kinds', count: 4_000 }) },
  ])
})

test('a flood of strangers hides no kind of those who are known, and all of it reaches the audit log', () => {
  let audited = 0
  const log = createSecurityLog(logger as never, () => audited++)
  for (let i = 0; i < 1_500; i++) log.record(denied({ detail: `${i}` }))
  log.record(denied({ actor: 'key 1' }))
  log.record(denied({ actor: 'key 1' }))
  expect(lines).toHaveLength(1_001)
  expect(lines.at(-1)?.fields).toEqual({ security: denied({ actor: 'key 1' }) })
  log.record(denied({ actor: 'a name' }))
  expect(lines).toHaveLength(1_001)
  expect(audited).toBe(1_502)
  log.close()
})

test('a first denial goes to the audit log, unless it has an entry of it', () => {
  const audited: SecurityEvent[] = []
  const log = createSecurityLog(logger as never, (event) => void audited.push(event))
  log.record(denied({ detail: 'a' }), { isAudited: true })
  log.record(denied({ detail: 'b' }), { isAudited: false })
  log.record(denied({ detail: 'c' }))
  log.close()
  expect(audited).toEqual([denied({ detail: 'b' }), denied({ detail: 'c' })])
  expect(lines).toHaveLength(3)
})
