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
])('the pattern %s matches the origin %s', (pattern, origin) => {
  expect(isOriginListed(origin, ['https://other.example', pattern])).toBe(true)
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
])('the pattern %s does not match the origin "%s"', (pattern, origin) => {
  expect(isOriginListed(origin, [pattern])).toBe(false)
})

it.each([
  'https://shop.example',
  'HTTPS://Shop.example',
  'http://localhost:3000',
  'http://[::1]:3000',
  'https://*.example.com',
  'https://*.example.com:8443',
  'chrome-extension://abcdefghijklmnop',
])('%s is a valid origin pattern', (pattern) => {
  expect(isOriginPattern(pattern)).toBe(true)
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
])('"%s" could never match and is not a valid origin pattern', (pattern) => {
  expect(isOriginPattern(pattern)).toBe(false)
})
