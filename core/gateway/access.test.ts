import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { Kafka } from '@upstash/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selfSignedCertificate } from '../../tests/lib/certificate.ts'
import {
  type CoreProcess,
  SLUICE_GATEWAY_PASSWORD,
  startCore,
} from '../../tests/lib/core-process.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'

const { cert, key } = selfSignedCertificate()
const folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'))
const trusted = getCACertificates('default')
const topic = 'events.raw'

let database: TestDatabase
let core: CoreProcess
beforeAll(async () => {
  writeFileSync(join(folder, 'cert.pem'), cert)
  writeFileSync(join(folder, 'key.pem'), key)
  database = await createTestDatabase()
  core = await startCore({
    roles: ['gateway'],
    databaseUrl: database.url,
    env: {
      SLUICE_GATEWAY_USERS: 'fra:in%3Acoming:produce, bi:outgoing:consume, ops:anything',
      SLUICE_TLS_CERT: join(folder, 'cert.pem'),
      SLUICE_TLS_KEY: join(folder, 'key.pem'),
    },
  })
})
afterAll(async () => {
  setDefaultCACertificates(trusted)
  expect(await core.stop()).toBe(0)
  await database.drop()
  rmSync(folder, { recursive: true })
})

const users = {
  sluice: SLUICE_GATEWAY_PASSWORD,
  fra: 'in:coming',
  bi: 'outgoing',
  ops: 'anything',
}
const as = (username: keyof typeof users) =>
  new Kafka({ url: `${core.url}/gateway`, username, password: users[username] })

async function ask(user: string, password: string, path: string, body: unknown = {}) {
  const reads = /^(keys|topics|consumers)/.test(path)
  const response = await fetch(`${core.url}/gateway/${path}`, {
    method: reads ? 'GET' : 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
    ...(!reads && { body: JSON.stringify(body) }),
  })
  return { status: response.status, json: await response.json() }
}
const record = { topic, value: 'v' }
const reading: [string, unknown][] = [
  ['fetch', { topic, partition: 0, offset: 0, timeout: 0 }],
  ['consume/g/i', { topic, timeout: 0 }],
  ['commit/g/i', []],
  ['committed/g/i', [{ topic, partition: 0 }]],
  ['offsets/latest', [{ topic, partition: 0 }]],
  ['delete-consumer/g/i', undefined],
  ['consumers', undefined],
]

describe('a gateway with a self-signed certificate', () => {
  test('refuses clients that do not trust the certificate', async () => {
    expect(core.url).toMatch(/^https:/)
    await expect(ask('ops', users.ops, 'topics')).rejects.toThrow('fetch failed')
    await expect(fetch(core.url.replace('https', 'http'))).rejects.toThrow()
  })

  describe('with clients that trust the certificate', () => {
    beforeAll(() => setDefaultCACertificates([...trusted, cert]))

    test('@upstash/kafka produces as one user and consumes as another', async () => {
      const sent = await as('fra').producer().produce(topic, 'over TLS', { partition: 4 })
      const found = await as('bi')
        .consumer()
        .consume({
          consumerGroupId: 'tls',
          instanceId: 'i',
          topics: [topic],
          timeout: 5_000,
          autoOffsetReset: 'earliest',
        })
      expect(found).toMatchObject([{ partition: 4, offset: sent.offset, value: 'over TLS' }])
      expect(await as('ops').admin().topics()).toMatchObject({ [topic]: 6 })
    })

    test.each(['sluice', 'ops'] as const)('user %s has all rights', async (user) => {
      expect((await ask(user, users[user], 'produce', record)).status).toBe(200)
      for (const [path, body] of reading)
        expect([path, (await ask(user, users[user], path, body)).status]).toEqual([path, 200])
      expect((await ask(user, users[user], `keys/${'0'.repeat(64)}`)).status).toBe(404)
    })

    test('a user with scope produce can look API keys up, as edges do, and cannot read records', async () => {
      expect((await ask('fra', users.fra, 'produce', record)).status).toBe(200)
      expect((await ask('fra', users.fra, `keys/${'0'.repeat(64)}`)).status).toBe(404)
      expect((await ask('fra', users.fra, 'topics')).status).toBe(200)
      for (const [path, body] of reading)
        expect([path, await ask('fra', users.fra, path, body)]).toEqual([
          path,
          { status: 403, json: { error: 'SCOPE_MISSING: this user may not consume', status: 403 } },
        ])
    })

    test('a user with scope consume cannot produce and cannot look API keys up', async () => {
      for (const path of ['produce', `produce/${topic}`])
        expect(await ask('bi', users.bi, path, record)).toEqual({
          status: 403,
          json: { error: 'SCOPE_MISSING: this user may not produce', status: 403 },
        })
      expect((await ask('bi', users.bi, `keys/${'0'.repeat(64)}`)).status).toBe(401)
      expect((await ask('bi', users.bi, 'topics')).status).toBe(200)
    })

    test.each([
      ['another user’s password', 'fra', users.bi],
      ['an unknown user name', 'nobody', users.fra],
      ['no password', 'fra', ''],
      ['a password in its percent-encoded form', 'fra', 'in%3Acoming'],
    ])('%s is answered 401 on every path', async (_, user, password) => {
      for (const [path, body] of [...reading, ['produce', record], ['topics', undefined]] as const)
        expect([path, (await ask(user, password, path, body)).status]).toEqual([path, 401])
    })
  })
})
