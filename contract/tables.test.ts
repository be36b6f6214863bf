import { expect, test, vi } from 'vitest'
import { displayPrefix, looksLikeApiKey, mintApiKey, sha256Hex, withoutKeys } from './api-key.ts'
import { ERRORS, problemDetails } from './errors.ts'
import { trustClassOf } from './event/trust-class.ts'
import { isUuid, uuidV7Series } from './event/uuid.ts'
import { findFormerSetting } from './former-settings.ts'
import { produceResults } from './log/kafka-rest.ts'
import { PARTITIONS, recordKey } from './log/topics.ts'
import { EDGE_SCRIPTS, isAllowedScript, RATELIMIT_SCRIPTS } from './redis-scripts.ts'
import { parseTrustedProxies } from './trusted-proxies.ts'

test('an API key takes no byte that would favour a character of its alphabet', () => {
  const bytes = vi.spyOn(crypto, 'getRandomValues')
  // 247 is the last byte of four whole alphabets; a larger one is thrown away.
  bytes.mockImplementation((array) => {
    ;(array as Uint8Array).set([248, 255, 247, 0, 62, 1, ...Array(26).fill(250)])
    return array
  })
  expect(mintApiKey('sec').slice(8, 38)).toBe(`z001${'z001'.repeat(7)}`.slice(0, 30))
  bytes.mockRestore()
})

test('a text is stored without the keys in it, and what only looks like one stays', () => {
  const key = mintApiKey('pub')
  const typo = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`
  expect(displayPrefix(key)).toBe(key.slice(0, 12))
  expect(withoutKeys(`a ${key} b ${key} ${typo}`)).toBe(
    `a ${key.slice(0, 12)}... b ${key.slice(0, 12)}... ${typo}`,
  )
  expect([`x${key}`, `${key}x`, key].map(looksLikeApiKey)).toEqual([false, false, true])
})

test('the hash of bytes is that of the text they encode', async () => {
  const hash = await sha256Hex('ä')
  expect(await sha256Hex(new Uint8Array([0xc3, 0xa4]))).toBe(hash)
  expect(hash).toMatch(/^[0-9a-f]{64}$/)
})

test('a problem has the message of its code, unless something more specific is known', () => {
  const request = { instance: '/v1/events', requestId: 'r' }
  const plain = problemDetails('KEY_UNKNOWN', request)
  expect(plain).toEqual({
    type: 'urn:sluice:problem:key-unknown',
    title: ERRORS.KEY_UNKNOWN.message,
    status: ERRORS.KEY_UNKNOWN.status,
    detail: ERRORS.KEY_UNKNOWN.message,
    instance: '/v1/events',
    code: 'KEY_UNKNOWN',
    request_id: 'r',
  })
  const errors = [
    { index: 0, pointer: '/name', code: 'NAME_MISSING' as const, detail: 'is missing' },
  ]
  expect(problemDetails('EVENTS_INVALID', { ...request, detail: 'one', errors })).toMatchObject({
    detail: 'one',
    errors,
  })
})

test('only a public key vouches for no server', () => {
  expect((['pub', 'sec', 'adm'] as const).map(trustClassOf)).toEqual(['public', 'server', 'server'])
})

test('a setting under its former name is found where it is set, and named with the new one', () => {
  expect(findFormerSetting({ PATH: '/', GATEWAY_URL: 'http://x' })).toBe(
    'GATEWAY_URL is now SLUICE_GATEWAY_URL',
  )
  expect(findFormerSetting({ GATEWAY_URL: '', KAFKA_TLS: undefined })).toBeUndefined()
  expect(findFormerSetting({ PATH: '/', toString: 'x' })).toBeUndefined()
})

test('the topics have their partitions, and a record without an actor goes by its id', () => {
  expect([...PARTITIONS]).toEqual([
    ['events.raw', 6],
    ['events.dlq', 3],
  ])
  expect(recordKey('acme', { event_id: 'e', actor: 'u' })).toBe('acme:u')
  expect(recordKey('acme', { event_id: 'e' })).toBe('acme:e')
})

test('a confirmation names topic, partition, offset and time of a record, and nothing less', () => {
  const confirmed = { topic: 't', partition: 0, offset: 5, timestamp: 1 }
  expect(produceResults.safeParse([confirmed]).success).toBe(true)
  for (const field of Object.keys(confirmed))
    expect(produceResults.safeParse([{ ...confirmed, [field]: undefined }]).success).toBe(false)
})

test('core runs the scripts of the edge and of @upstash/ratelimit, and no other', () => {
  for (const sha1 of [...EDGE_SCRIPTS, ...RATELIMIT_SCRIPTS]) {
    expect(sha1).toMatch(/^[0-9a-f]{40}$/)
    expect(isAllowedScript(sha1)).toBe(true)
  }
  expect(EDGE_SCRIPTS.size).toBe(3)
  expect(isAllowedScript('0'.repeat(40))).toBe(false)
})

test('the UUIDs of one batch begin alike and count up, beyond the end of their last digits too', () => {
  const random = vi
    .spyOn(crypto, 'randomUUID')
    .mockReturnValue('00000000-0000-4abc-8def-000000fffffe')
  const ids = uuidV7Series(0x0192a1b20000)
  random.mockRestore()
  expect([0, 1, 2, 300].map(ids)).toEqual([
    '0192a1b2-0000-7abc-8def-000000fffffe',
    '0192a1b2-0000-7abc-8def-000000ffffff',
    '0192a1b2-0000-7abc-8def-000000000000',
    '0192a1b2-0000-7abc-8def-00000000012a',
  ])
})

test.each([
  ['0192A1b2-0000-7abc-8def-000000ffffff', true],
  ['0192a1b2-0000-7abc-8def-000000ffffff\n', false],
  ['x0192a1b2-0000-7abc-8def-000000fffff', false],
  ['0192a1b2-0000-7abc-8def-000000fffffg', false],
  ['0192a1b200007abc8def000000ffffff----', false],
])('%j is a UUID: %s', (text, expected) => {
  expect(isUuid(text)).toBe(expected)
})

test('a thousand trusted proxies can be named, and not one more', () => {
  const blocks = (count: number) =>
    Array.from({ length: count }, (_, i) => `10.0.${i >> 8}.${i & 255}`).join(', ')
  expect(parseTrustedProxies(blocks(1_000)).isTrusted('10.0.3.231')).toBe(true)
  expect(() => parseTrustedProxies(blocks(1_001))).toThrow('at most 1000 entries')
})
