import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selfSignedCertificate } from '../tests/lib/certificate.ts'
import { readConfig } from './config.ts'
import { checkListening } from './exposure.ts'
import { UsageError } from './lib/usage-error.ts'

describe('SLUICE_GATEWAY_USERS', () => {
  const usersOf = (text: string, password?: string) =>
    readConfig({ SLUICE_GATEWAY_USERS: text, SLUICE_GATEWAY_PASSWORD: password }).gatewayUsers

  test('names one user or several, each with a scope or with all', () => {
    expect(usersOf('')).toEqual([])
    const most = Array.from({ length: 100 }, (_, i) => `u${i}:hushhush`).join()
    expect(usersOf(most)).toHaveLength(100)
    const edges = { name: 'sluice', password: 'secret', scope: 'produce', topics: ['events.raw'] }
    expect(usersOf('', 'secret')).toEqual([edges])
    expect(usersOf('fra:one:produce, bi:two:consume,ops:three,x:4:all,', 'secret')).toEqual([
      edges,
      { name: 'fra', password: 'one', scope: 'produce' },
      { name: 'bi', password: 'two', scope: 'consume' },
      { name: 'ops', password: 'three', scope: 'all' },
      { name: 'x', password: '4', scope: 'all' },
    ])
  })

  test('limits a user to topics and to consumer groups by the prefix of their names', () => {
    expect(
      usersOf('a:one:consume:events.raw|events.dlq:a., b:two:all:*:b., c:3:consume::c'),
    ).toEqual([
      {
        name: 'a',
        password: 'one',
        scope: 'consume',
        topics: ['events.raw', 'events.dlq'],
        groupPrefix: 'a.',
      },
      { name: 'b', password: 'two', scope: 'all', groupPrefix: 'b.' },
      { name: 'c', password: '3', scope: 'consume', groupPrefix: 'c' },
    ])
  })

  test('takes reserved characters percent-encoded, as in a URL', () => {
    expect(usersOf('a%20b:p%3Aw%2C%25ü:consume')).toEqual([
      { name: 'a b', password: 'p:w,%ü', scope: 'consume' },
    ])
  })

  test.each([
    ['a name alone', 'fra'],
    ['no password', 'fra:'],
    ['no password before a scope', 'fra::produce'],
    ['no name', ':hushhush'],
    ['an unknown scope', 'fra:hushhush:write'],
    ['an unknown topic', 'fra:hushhush:all:events.row'],
    ['one colon too many', 'fra:hushhush:all:*:a:x'],
    ['a colon in a name', 'f%3Ara:hushhush'],
    ['an incomplete escape', 'fra:hushhush%4'],
    ['a name twice', 'fra:hushhush,fra:stealth'],
    ['more users than allowed', Array.from({ length: 101 }, (_, i) => `u${i}:hushhush`).join()],
    ['the name of the edges’ password', 'sluice:hushhush'],
  ])('with %s is refused, and the error shows no password', (_, text) => {
    let error: unknown
    try {
      usersOf(text, 'secret')
    } catch (each) {
      error = each
    }
    expect(error).toBeInstanceOf(UsageError)
    const { message, hint } = error as UsageError
    expect(message).toContain('SLUICE_GATEWAY_USERS')
    expect(`${message} ${hint}`).not.toMatch(/hushhush|stealth|secret/)
  })
})

describe('the TLS certificate', () => {
  let folder: string
  let files: { cert: string; key: string; otherKey: string }
  const { cert, key } = selfSignedCertificate()
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
    files = {
      cert: join(folder, 'cert.pem'),
      key: join(folder, 'key.pem'),
      otherKey: join(folder, 'other.pem'),
    }
    writeFileSync(files.cert, cert)
    writeFileSync(files.key, key)
    writeFileSync(files.otherKey, selfSignedCertificate().key)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('is read from two files, and is optional', () => {
    expect(readConfig({}).tls).toBeUndefined()
    const env = { SLUICE_TLS_CERT: files.cert, SLUICE_TLS_KEY: files.key }
    expect(readConfig(env).tls).toEqual({ cert, key })
  })

  test('is refused when one file is missing or unreadable, or the two do not belong together', () => {
    for (const env of [
      { SLUICE_TLS_CERT: files.cert },
      { SLUICE_TLS_KEY: files.key },
      { SLUICE_TLS_CERT: files.cert, SLUICE_TLS_KEY: join(folder, 'nowhere.pem') },
      { SLUICE_TLS_CERT: files.key, SLUICE_TLS_KEY: files.key },
      { SLUICE_TLS_CERT: files.cert, SLUICE_TLS_KEY: files.otherKey },
    ])
      expect(() => readConfig(env), JSON.stringify(env)).toThrow(UsageError)
  })
})

test('a setting under its former name is refused with the new name', () => {
  expect(() => readConfig({ KAFKA_TLS: 'true' })).toThrow('KAFKA_TLS is now SLUICE_KAFKA_TLS.')
  expect(() => readConfig({ LOG: 'kafka', KAFKA_BROKERS: 'a:9092' })).toThrow(
    'LOG=kafka is now SLUICE_LOG_DRIVER=kafka.',
  )
  // Other programs use this name too.
  expect(readConfig({ LOG: 'debug' }).log).toEqual({ kind: 'postgres' })
})

test('a number out of range is refused with the name of its variable', () => {
  expect(readConfig({}).workerConcurrency).toBeUndefined()
  expect(readConfig({ SLUICE_WORKER_CONCURRENCY: '6' }).workerConcurrency).toBe(6)
  for (const text of ['0', '7', '1.5', 'two', '-1'])
    expect(() => readConfig({ SLUICE_WORKER_CONCURRENCY: text })).toThrow(
      /^SLUICE_WORKER_CONCURRENCY /,
    )
})

describe('what others could read or guess', () => {
  test.each([
    ['DATABASE_URL', { DATABASE_URL: 'postgres://u:p@db.example.com/sluice' }],
    ['SLUICE_DATABASE_ADMIN_URL', { SLUICE_DATABASE_ADMIN_URL: 'postgres://u:p@8.8.8.8/postgres' }],
    ['REDIS_URL', { REDIS_URL: 'redis://u:p@redis.example.com:6379' }],
    ['SLUICE_REDIS_BRIDGE_URL', { SLUICE_REDIS_BRIDGE_URL: 'redis://e:p@redis.example.com:6379' }],
    ['KAFKA_BROKERS', { SLUICE_LOG_DRIVER: 'kafka', KAFKA_BROKERS: 'k1:9092,k.example.com:9092' }],
  ])('%s without TLS beyond private networks is refused unless that is allowed', (name, env) => {
    expect(() => readConfig(env)).toThrow(
      new RegExp(`^${name}: the connection would be unencrypted`),
    )
    expect(() => readConfig({ ...env, SLUICE_ALLOW_CLEARTEXT: 'true' })).not.toThrow()
  })

  test('HTTP without TLS on a public address is refused, a public URL with https excepted', () => {
    const check = (env: NodeJS.ProcessEnv, addresses?: string[]) => () =>
      checkListening(readConfig(env), addresses)
    expect(check({ HOST: '203.0.113.7' })).toThrow(/^HOST=203\.0\.113\.7: core would speak HTTP/)
    expect(check({ HOST: '0.0.0.0' }, ['127.0.0.1', '203.0.113.7'])).toThrow(/^HOST=0\.0\.0\.0/)
    expect(check({ HOST: '0.0.0.0' }, ['127.0.0.1', '172.18.0.3'])).not.toThrow()
    expect(check({})).not.toThrow()
    for (const more of [
      { SLUICE_PUBLIC_URL: 'https://sluice.example.com' },
      { SLUICE_ALLOW_CLEARTEXT: 'true' },
    ])
      expect(check({ HOST: '203.0.113.7', ...more })).not.toThrow()
  })

  test('a gateway password of fewer than 24 characters is refused unless core listens on loopback', () => {
    const check = (host: string, password: string) => () =>
      checkListening(readConfig({ HOST: host, SLUICE_GATEWAY_PASSWORD: password }))
    expect(check('10.0.0.7', 'hushhush')).toThrow(/user sluice is shorter than 24 characters/)
    expect(check('10.0.0.7', 'hushhush')).not.toThrow(/hushhush/)
    expect(check('10.0.0.7', 'x'.repeat(24))).not.toThrow()
    expect(check('127.0.0.1', 'hushhush')).not.toThrow()
  })
})
