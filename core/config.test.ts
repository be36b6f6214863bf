import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selfSignedCertificate } from '../tests/lib/certificate.ts'
import { readConfig } from './config.ts'
import { UsageError } from './lib/usage-error.ts'

describe('SLUICE_GATEWAY_USERS', () => {
  const usersOf = (text: string, password?: string) =>
    readConfig({ SLUICE_GATEWAY_USERS: text, SLUICE_GATEWAY_PASSWORD: password }).gatewayUsers

  test('names one user or several, each with a scope or with all', () => {
    expect(usersOf('')).toEqual([])
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
