import { expect, it } from 'vitest'
import { isOriginListed, isOriginPattern } from './origin.ts'

it.each([
  ['https://shop.example', 'https://shop.example'],
  ['https://shop.example', 'HTTPS://Shop.Example'],
  ['http://localhost:3000', 'http://localhost:3000'],
  ['https://*.example.com', 'https://a.example.com'],
  ['https://*.example.com', 'https://a.b.example.com'],
  ['https://*.Example.com', 'https://xn--bcher-kva.example.com'],
  ['https://*.example.com:8443', 'https://a.example.com:8443'],
])('%s lets %s send', (line, origin) => {
  expect(isOriginListed(origin, ['https://other.example', line])).toBe(true)
})

it.each([
  ['https://shop.example', 'http://shop.example'],
  ['https://shop.example', 'https://shop.example:8443'],
  ['https://shop.example', 'https://a.shop.example'],
  ['https://shop.example', 'https://shop.example.evil.example'],
  ['https://*.example.com', 'https://example.com'],
  ['https://*.example.com', 'https://evilexample.com'],
  ['https://*.example.com', 'http://a.example.com'],
  ['https://*.example.com', 'https://a.example.com:8443'],
  ['https://*.example.com', 'https://a.example.com.evil.example'],
  ['https://*.example.com', 'https://.example.com'],
  ['https://*.example.com', 'https://evil.example/.example.com'],
  ['https://*.example.com', 'https://evil.example:1@a.example.com'],
  ['https://*.example.com', 'null'],
  ['https://shop.example', ''],
])('%s does not let "%s" send', (line, origin) => {
  expect(isOriginListed(origin, [line])).toBe(false)
})

it.each([
  'https://shop.example',
  'HTTPS://Shop.example',
  'http://localhost:3000',
  'http://[::1]:3000',
  'https://*.example.com',
  'https://*.example.com:8443',
  'chrome-extension://abcdefghijklmnop',
])('%s can stand on a list', (line) => {
  expect(isOriginPattern(line)).toBe(true)
})

it.each([
  'shop.example',
  'https://shop.example/',
  'https://shop.example/path',
  'https://shop.example:443',
  'https://shop.example:99999',
  'https://*',
  'https://*example.com',
  'https://a.*.example.com',
  'https://user@shop.example',
  'https://bücher.example',
  '*',
  '',
])('"%s" would never fit, and is told apart', (line) => {
  expect(isOriginPattern(line)).toBe(false)
})
