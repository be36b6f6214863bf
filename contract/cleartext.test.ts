import { expect, it } from 'vitest'
import { isCleartextBeyondPrivate } from './cleartext.ts'

it.each([
  ['http://core.example.com/gateway', true],
  ['http://203.0.113.9:4000', true],
  ['http://8.8.8.8', true],
  ['http://172.32.0.1', true],
  ['http://[2001:db8::1]/x', true],
  ['redis://cache.example.com:6379', true],
  ['http://core.example.com./', true],
  ['https://core.example.com/gateway', false],
  ['rediss://cache.example.com', false],
  ['http://core:4000/gateway', false],
  ['http://localhost:4000', false],
  ['http://127.8.0.1', false],
  ['http://2130706433/', false],
  ['http://10.2.3.4', false],
  ['http://172.31.0.1', false],
  ['http://192.168.1.1', false],
  ['http://100.64.0.1', false],
  ['http://[::1]:4000', false],
  ['http://[fd00::1]', false],
  ['http://[::ffff:10.0.0.1]', false],
  ['http://core.internal:4000', false],
  ['not a url', false],
])('whether %s is cleartext beyond private networks: %s', (url, expected) => {
  expect(isCleartextBeyondPrivate(url)).toBe(expected)
})
