import { expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { USER_AGENTS } from './testing/user-agents.ts'
import { createUserAgentReader } from './user-agent.ts'

const { read } = createUserAgentReader()

test.each(USER_AGENTS.map((row) => [row[0].slice(0, 200), row] as const))(
  '%s gives its browser, system and class of device, and whether it is a bot',
  (_, [userAgent, browser, os, device, isBot]) => {
    const found = read(userAgent)
    if (userAgent.trim() === '') {
      expect(found).toBeUndefined()
      return
    }
    const { browser: b = null, os: o = null, device: d = null, isBot: bot } = found ?? {}
    expect([b, o, d, bot]).toEqual([browser, os, device, isBot])
  },
)

test('the table covers at least forty user agents, ten of them bots', () => {
  expect(USER_AGENTS.length).toBeGreaterThanOrEqual(40)
  expect(USER_AGENTS.filter((row) => row[4]).length).toBeGreaterThanOrEqual(10)
})

test('a user agent is parsed once, and as many are remembered as the limit has', () => {
  const { read, size } = createUserAgentReader(3)
  const first = read('Chrome/1')
  expect(read('Chrome/1')).toBe(first)
  for (const version of [2, 3]) read(`Chrome/${version}`)
  expect([size(), read('Chrome/1')]).toEqual([3, first])
  read('Chrome/4')
  expect(size()).toBe(3)
  expect(read('Chrome/1')).not.toBe(first)
  expect(read('Chrome/1')).toEqual(first)
})

test('of a user agent that is too long only the beginning is read, and nothing is remembered', () => {
  const { read, size } = createUserAgentReader()
  const exactly = 'Chrome/142 '.padEnd(LIMITS.userAgentCharsMax, 'x')
  expect(read(exactly)?.browser).toBe('Chrome')
  expect(size()).toBe(1)
  expect(read(`${exactly}x`)?.browser).toBe('Chrome')
  expect(read(`${' '.repeat(LIMITS.userAgentCharsMax)}Chrome/142`)?.browser).toBeUndefined()
  expect(size()).toBe(1)
})

test('a browser and a system have one name, however a user agent spells them', () => {
  const browsers = USER_AGENTS.map((row) => row[1])
  const systems = USER_AGENTS.map((row) => row[2])
  for (const [userAgent] of USER_AGENTS)
    for (const spelled of [userAgent.toUpperCase(), userAgent.toLowerCase()]) {
      const { browser = null, os = null } = read(spelled) ?? {}
      if (browser !== 'Mozilla') expect(browsers).toContain(browser)
      expect(systems).toContain(os)
    }
  expect(read('vIvAlDi/7.6')).toMatchObject({ browser: 'Vivaldi' })
  expect(read('Mozilla/5.0 (X11; Kubuntu) Firefox/1')).toMatchObject({ os: 'Linux' })
})

test('no user agent takes long to read, whatever it repeats', () => {
  for (const part of ['(', 'Mozilla/5.0 (', ';', 'a/', ' ', 'Android 1;', 'Version/', '0.', '\\'])
    for (const length of [LIMITS.userAgentCharsMax, 100_000]) {
      const started = performance.now()
      read(part.repeat(length / part.length))
      expect([part, performance.now() - started < 50]).toEqual([part, true])
    }
})
