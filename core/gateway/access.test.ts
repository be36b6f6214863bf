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
      SLUICE_GATEWAY_USERS: [
        'fra:in%3Acoming:produce',
        'bi:outgoing:consume',
        'ops:anything',
        'acme:acme-reads:consume:events.raw:acme.',
        'dlq:dlq-reads:all:events.dlq:dlq.',
      ].join(),
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
  acme: 'acme-reads',
  dlq: 'dlq-reads',
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

    test('a user without a scope has all rights', async () => {
      expect((await ask('ops', users.ops, 'produce', record)).status).toBe(200)
      for (const [path, body] of reading)
        expect([path, (await ask('ops', users.ops, path, body)).status]).toEqual([path, 200])
      expect((await ask('ops', users.ops, `keys/${'0'.repeat(64)}`)).status).toBe(404)
    })

    test.each([
      ['the credentials of the edges', 'sluice'],
      ['a user with scope produce', 'fra'],
    ] as const)('%s can append and look API keys up, and cannot read records', async (_, user) => {
      expect((await ask(user, users[user], 'produce', record)).status).toBe(200)
      expect((await ask(user, users[user], `keys/${'0'.repeat(64)}`)).status).toBe(404)
      expect((await ask(user, users[user], 'topics')).status).toBe(200)
      for (const [path, body] of reading)
        expect([path, await ask(user, users[user], path, body)]).toEqual([
          path,
          { status: 403, json: { error: 'SCOPE_MISSING: this user may not consume', status: 403 } },
        ])
    })

    test('the credentials of the edges can append to events.raw only', async () => {
      const dead = { topic: 'events.dlq', value: 'v' }
      expect((await ask('sluice', users.sluice, 'produce', [record, dead])).status).toBe(403)
      expect((await ask('sluice', users.sluice, 'produce/events.dlq', { value: 'v' })).status).toBe(
        403,
      )
    })

    test('a user with a list of topics can use these topics only', async () => {
      const theirs = { topic: 'events.dlq', partition: 0 }
      const others = { topic: 'events.raw', partition: 0 }
      const requests = (each: { topic: string; partition: number }): [string, unknown][] => [
        ['produce', { topic: each.topic, value: 'v' }],
        [`produce/${each.topic}`, { value: 'v' }],
        ['fetch', { ...each, offset: 0, timeout: 0 }],
        ['fetch', { topicPartitionOffsets: [{ ...each, offset: 0 }], timeout: 0 }],
        ['consume/dlq.g/i', { topic: each.topic, timeout: 0 }],
        [`consume/dlq.g/i/${each.topic}?timeout=0`, undefined],
        ['commit/dlq.g/i', { ...each, offset: 0 }],
        ['committed/dlq.g/i', [each]],
        ['offsets/latest', [each]],
      ]
      for (const [path, body] of requests(theirs))
        expect([path, (await ask('dlq', users.dlq, path, body)).status]).toEqual([path, 200])
      for (const [path, body] of requests(others))
        expect([path, (await ask('dlq', users.dlq, path, body)).status]).toEqual([path, 403])
      expect((await ask('dlq', users.dlq, 'topics')).json).toEqual({ 'events.dlq': 3 })
    })

    test('a user with a group prefix cannot read, commit, delete, take over or see a group without it', async () => {
      for (const group of ['acme.reports', 'bi-reports'])
        await ask('bi', users.bi, `consume/${group}/i`, { topic, timeout: 0 })
      const requests = (group: string): [string, unknown][] => [
        [`consume/${group}/i`, { topic, timeout: 0 }],
        [`consume/${group}/another`, { topic, timeout: 0 }],
        [`commit/${group}/i`, []],
        [`committed/${group}/i`, [{ topic, partition: 0 }]],
        [`delete-consumer/${group}/another`, undefined],
        [`delete-consumer/${group}/i`, undefined],
        [`delete-consumer/${group}`, undefined],
      ]
      for (const group of ['bi-reports', 'acme', 'Acme.reports'])
        for (const [path, body] of requests(group))
          expect([path, await ask('acme', users.acme, path, body)]).toMatchObject([
            path,
            { status: 403, json: { error: expect.stringContaining('begin with acme.') } },
          ])
      const seen = (await ask('acme', users.acme, 'consumers')).json as { name: string }[]
      expect(seen.map(({ name }) => name)).toEqual(['acme.reports'])
      for (const [path, body] of requests('acme.reports'))
        expect([path, (await ask('acme', users.acme, path, body)).status]).toEqual([path, 200])
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
    ])('%s is answered 401', async (_, user, password) => {
      // Fewer in all than an address may send of them in a minute.
      for (const [path, body] of [...reading.slice(0, 5), ['produce', record]] as const)
        expect([path, (await ask(user, password, path, body)).status]).toEqual([path, 401])
    })
  })
})
