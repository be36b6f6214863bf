import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mintApiKey } from '../../../contract/api-key.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createKey, revokeKey } from '../../identity/api-keys.ts'
import type { SecurityEvent } from '../../lib/security-log.ts'
import { declareMetric } from '../../metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../metrics/metric-definition.ts'
import { createSchema } from './schema.ts'
import { createGraphQL } from './server.ts'
import { createQueryFixture, type QueryFixture, type QueryResponse } from './testing/fixture.ts'

// The copy that Pothos uses: vitest would take the package's other one.
const { buildSchema, getIntrospectionQuery, printSchema } = createRequire(import.meta.url)(
  'graphql',
) as typeof import('graphql')

let fixture: QueryFixture
let own: Record<string, string>
let session: Record<string, string>
beforeAll(async () => {
  fixture = await createQueryFixture(['default', 'other', 'empty'])
  await fixture.store('default', [{ id: 'mine', name: 'mine', occurredAt: '2026-11-20T10:00:00Z' }])
  await fixture.store('other', [
    { id: 'theirs', name: 'theirs', actor: 'their-actor', occurredAt: '2026-11-20T10:00:00Z' },
    { name: 'theirs', actor: 'another', occurredAt: '2026-11-20T10:20:01Z' },
    { id: 'their-newest', name: 'theirs' },
  ])
  await fixture.database.pool.query(
    `INSERT INTO dead_letter (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, received_at)
     VALUES (2, 'NOT_JSON', '', '', '', 't', 0, 1, '2026-11-20T10:00:00Z');
     UPDATE outcome_minute SET duplicate = 7 WHERE tenant_id = 2`,
  )
  const definition = parseMetricDefinition({ name: 'their metric', events: ['theirs'] })
  await declareMetric(fixture.db, 2, definition, { kind: 'cli' })
  own = await fixture.keyOf('default')
  session = await fixture.session()
})
afterAll(() => fixture.close())

const RANGE = 'startTime: "2026-11-20T00:00:00Z", endTime: "2026-11-21T00:00:00Z"'
const code = (response: Awaited<ReturnType<QueryFixture['execute']>>) => [
  response.status,
  response.errors?.[0]?.extensions.code,
]

test('the schema is the one in schema.graphql', () => {
  const published = buildSchema(readFileSync(new URL('./schema.graphql', import.meta.url), 'utf8'))
  expect(printSchema(createSchema())).toBe(printSchema(published))
})

describe('authentication of GraphQL', () => {
  test('a request without credentials gets nothing, not even the schema or a syntax error', async () => {
    for (const query of [
      '{ viewer { kind } }',
      '{ __schema { queryType { name } } }',
      '{ nonsense',
      '',
    ])
      expect(code(await fixture.execute(query)), query).toEqual([401, 'UNAUTHENTICATED'])
    const response = await fixture.execute('{ viewer { kind } }')
    expect(response.headers.get('www-authenticate')).toBe('Bearer')
  })

  test('a request without credentials is refused before any of its body is read', async () => {
    let read = 0
    const body = new ReadableStream(
      {
        pull(controller) {
          read++
          controller.enqueue(new Uint8Array(64 * 1024))
        },
      },
      { highWaterMark: 0 },
    )
    const response = await fixture.graphql.fetch(
      new Request('http://localhost/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': 'nonsense' },
        body,
        duplex: 'half',
      } as RequestInit),
    )
    expect([response.status, read]).toEqual([401, 0])
  })

  test('a text that cannot be a key or a session is never looked up', async () => {
    const away = createDatabase('postgres://127.0.0.1:1/nowhere', { connectMs: 500 })
    const { db, live, log } = fixture
    const graphql = createGraphQL({ db, identityDb: away, live, log, logger: { error() {} } })
    const status = async (headers: Record<string, string>) =>
      (await graphql.fetch(new Request('http://localhost/graphql?query={a}', { headers }))).status
    expect(await status({ 'x-api-key': `slc_sec_${'0'.repeat(36)}` })).toBe(401)
    expect(await status({ cookie: 'sluice_session=short' })).toBe(401)
    expect(await status(own)).toBe(503)
    await away.destroy()
  })

  test('made-up keys from one address are throttled, and a key that was good lately is not', async () => {
    const { db, live, log } = fixture
    const graphql = createGraphQL({ db, live, log, logger: { error() {} } })
    const status = async (headers: Record<string, string>) => {
      const request = new Request('http://localhost/graphql?query={viewer{kind}}', { headers })
      return (await graphql.fetch(request, { address: '203.0.113.9' })).status
    }
    const madeUp = () => status({ 'x-api-key': mintApiKey('sec') })
    expect(await status(own)).toBe(200)
    const statuses = await Promise.all(Array.from({ length: 300 }, madeUp))
    expect(new Set(statuses)).toEqual(new Set([401]))
    // Beyond the limit they share one look-up at a time.
    const flood = Promise.all(Array.from({ length: 300 }, madeUp))
    expect(await status(own)).toBe(200)
    expect(new Set(await flood)).toEqual(new Set([401, 429]))
    expect(await status(await fixture.keyOf('default'))).toBe(200)
  })

  test('unknown, revoked, expired and malformed keys get the same message', async () => {
    const make = (options = {}) =>
      createKey(fixture.db, { tenant: 'default', name: 'x', scopes: ['read'], ...options })
    const revoked = await make()
    await revokeKey(fixture.db, revoked.keyId)
    const expired = await make({ expiresAt: new Date(Date.now() - 1_000) })
    const messages = new Set<string>()
    for (const key of [`slc_sec_${'0'.repeat(36)}`, 'nonsense', revoked.key, expired.key]) {
      const response = await fixture.execute('{ viewer { kind } }', { 'x-api-key': key })
      expect(code(response)).toEqual([401, 'UNAUTHENTICATED'])
      messages.add(response.errors?.[0]?.message as string)
      expect(JSON.stringify(response)).not.toContain(key)
    }
    expect(messages.size).toBe(1)
  })

  test('a key without the scope read is forbidden', async () => {
    const { key } = await createKey(fixture.db, {
      tenant: 'default',
      name: 'writer',
      scopes: ['ingest'],
    })
    const response = await fixture.execute('{ viewer { kind } }', {
      authorization: `Bearer ${key}`,
    })
    expect(code(response)).toEqual([403, 'FORBIDDEN'])
  })

  test('a key identifies a viewer of its tenant, in any of the three headers', async () => {
    const key = own.authorization?.slice(7) as string
    const basic = `Basic ${Buffer.from(`${key}:`).toString('base64')}`
    for (const headers of [own, { 'x-api-key': key }, { authorization: basic }])
      expect(
        (
          await fixture.execute(
            '{ viewer { kind tenants { id hasEvents } onboarding { writeKey } } }',
            headers,
          )
        ).data,
      ).toEqual({
        viewer: { kind: 'KEY', tenants: [{ id: 'default', hasEvents: true }], onboarding: null },
      })
  })

  test('a session sees every tenant, and what a person needs to send a first event', async () => {
    const { data } = await fixture.execute(
      '{ viewer { kind tenants { id hasEvents } onboarding { edgeUrl tenant writeKey } } }',
      session,
    )
    expect(data.viewer).toEqual({
      kind: 'SESSION',
      tenants: [
        { id: 'default', hasEvents: true },
        { id: 'other', hasEvents: true },
        { id: 'empty', hasEvents: false },
      ],
      onboarding: { edgeUrl: 'http://edge', tenant: 'default', writeKey: 'a-write-key' },
    })
  })
})

/** Every root field about a tenant. */
const FIELDS = {
  metrics: (tenant: string) =>
    `metrics(${tenant} name: "*", ${RANGE}, interval: TOTAL, groupBy: ["name"]) { value dimensions lateCount isFinal timestamp }`,
  'metrics from raw events': (tenant: string) =>
    `metrics(${tenant} name: "*", ${RANGE}, interval: TOTAL, groupBy: ["actor"], aggregate: UNIQUES) { value dimensions }`,
  'metrics over ragged edges': (tenant: string) =>
    `metrics(${tenant} name: "theirs", startTime: "2026-11-20T09:59:00Z", endTime: "2026-11-20T10:21:00Z", interval: TOTAL) { value }`,
  totals: (tenant: string) =>
    `totals(${tenant} ${RANGE}) { count previousCount deadLetters previousDeadLetters duplicates uniqueActors previousUniqueActors names { name count } }`,
  compare: (tenant: string) =>
    `compare(${tenant} name: "*", ${RANGE}, interval: TOTAL) { points { value previousValue } }`,
  ratio: (tenant: string) =>
    `ratio(${tenant} numerator: {name: "*"}, denominator: {name: "*"}, ${RANGE}) { points { numerator denominator } }`,
  explainChange: (tenant: string) =>
    `explainChange(${tenant} name: "*", ${RANGE}, interval: TOTAL, fromAsOf: "2026-01-01T00:00:00Z") { after points { after } }`,
  contributions: (tenant: string) =>
    `contributions(${tenant} name: "*", dimension: "name", ${RANGE}) { contributions { value after } after }`,
  funnel: (tenant: string) =>
    `funnel(${tenant} steps: [{name: "*"}, {name: "*"}], ${RANGE}) { steps { actors } withoutActor }`,
  retention: (tenant: string) =>
    `retention(${tenant} first: {name: "*"}, ${RANGE}) { cohorts { actors returned } }`,
  eventNames: (tenant: string) => `eventNames(${tenant} ${RANGE}) { names { name count } }`,
  properties: (tenant: string) =>
    `properties(${tenant} name: "*", ${RANGE}) { properties { path count } sampled }`,
  topValues: (tenant: string) =>
    `topValues(${tenant} name: "*", dimension: "actor", ${RANGE}) { values { value count } total }`,
  recentBuckets: (tenant: string) =>
    `recentBuckets(${tenant} windowSeconds: 3600, bucketSeconds: 60) { timestamp name count }`,
  event: (tenant: string) => `event(${tenant} id: "theirs") { id }`,
  receipt: (tenant: string) => `receipt(${tenant} eventId: "mine") { outcome accepted { at } }`,
  events: (tenant: string) => `events(${tenant} first: 10) { edges { node { id name } } }`,
  metricDefinitions: (tenant: string) =>
    `metricDefinitions(${tenant} name: null) { name events filter { dimension in } value dimensions }`,
  deadLetters: (tenant: string) =>
    `deadLetters(${tenant} first: 10) { edges { node { id original } } }`,
}

describe('isolation of tenants', () => {
  test('every root field about a tenant is covered here', () => {
    const fields = Object.keys(createSchema().getQueryType()?.getFields() ?? {})
    const covered = new Set(Object.keys(FIELDS).map((name) => name.split(' ')[0]))
    // All tenants share the pipeline, which shows nothing of the events in it; core/api/permissions covers the others.
    expect(fields.filter((name) => !covered.has(name))).toEqual([
      ...['apiKeyUse', 'apiKeys', 'auditHead', 'auditLog', 'balance'],
      ...['deadLetter', 'deadLetterGroups', 'deadLetterJobs', 'eventSchema', 'eventSchemas'],
      ...['freshness', 'invitations', 'members', 'pipeline', 'receipts', 'schemaDrift', 'sessions'],
      ...['systemAuditHead', 'systemAuditLog', 'unaccountedIds', 'verification', 'viewer'],
    ])
  })

  for (const [name, field] of Object.entries(FIELDS)) {
    test(`${name}: a key gets its own tenant only, and FORBIDDEN for any other, whether it exists or not`, async () => {
      for (const tenant of ['other', 'nobody', 'DEFAULT', '']) {
        const response = await fixture.execute(`{ ${field(`tenant: "${tenant}",`)} }`, own)
        expect(code(response)).toEqual([403, 'FORBIDDEN'])
        expect(Object.values(response.data ?? {}).filter((value) => value !== null)).toEqual([])
      }
      for (const tenant of ['', 'tenant: "default",', 'tenant: null,']) {
        const response = await fixture.execute(`{ ${field(tenant)} }`, own)
        expect(response.errors).toBeUndefined()
        expect(JSON.stringify(response.data)).not.toContain('their')
      }
    })

    test(`${name}: a session gets the tenant it names, and the default one without a name`, async () => {
      const [mine, theirs, again] = await Promise.all([
        fixture.execute(`{ ${field('')} }`, session),
        fixture.execute(`{ ${field('tenant: "other",')} }`, session),
        fixture.execute(`{ ${field('')} }`, await fixture.keyOf('other')),
      ])
      expect(theirs.data).toEqual(again?.data)
      expect(mine?.data).not.toEqual(theirs.data)
      const unknown = await fixture.execute(`{ ${field('tenant: "nobody",')} }`, session)
      expect(code(unknown)).toEqual([400, 'BAD_USER_INPUT'])
    })
  }

  test('two tenants may have events with the same id', async () => {
    await fixture.store('empty', [{ id: 'mine', name: 'of the other' }])
    const { data } = await fixture.execute(
      '{ a: event(id: "mine") { name } b: event(tenant: "empty", id: "mine") { name } }',
      session,
    )
    expect(data).toEqual({ a: { name: 'mine' }, b: { name: 'of the other' } })
  })
})

describe('metrics over GraphQL', () => {
  test('the extensions of a response name its source, interval and time zone', async () => {
    const response = await fixture.execute(
      `{ a: metrics(name: "mine", ${RANGE}) { timestamp value dimensions isFinal lateCount }
         b: metrics(name: "*", ${RANGE}, groupBy: ["page"]) { value } }`,
      own,
    )
    expect(response.data.a).toEqual([
      { timestamp: '2026-11-20T10:00:00Z', value: 1, dimensions: {}, isFinal: false, lateCount: 0 },
    ])
    expect(response.extensions).toMatchObject({
      source: 'rollup+raw',
      metrics: {
        a: {
          source: 'rollup',
          interval: 'QUARTER_HOUR',
          timeZone: 'UTC',
          finalThrough: expect.any(String),
        },
        b: { source: 'raw', groups: { found: 1, listed: 1 }, rawSince: expect.any(String) },
      },
    })
    const one = await fixture.execute(`{ metrics(name: "mine", ${RANGE}) { value } }`, own)
    expect(one.extensions?.source).toBe('rollup')
  })

  test('an invalid argument is rejected by its name', async () => {
    const cases: [string, string][] = [
      [`name: "x", startTime: "2026-11-20T00:00:00Z", endTime: "2026-11-20T00:00:00Z"`, 'endTime'],
      [`name: "x", ${RANGE}, timeZone: "Mars/Olympus"`, 'timeZone'],
      [`name: "", ${RANGE}`, 'name'],
      [`name: "x\\u0000", ${RANGE}`, 'name'],
      [`name: "x", ${RANGE}, groupBy: ["a", "b", "c", "d", "e"]`, 'groupBy'],
      [`name: "x", ${RANGE}, groupBy: ["a..b"]`, 'groupBy'],
      [`name: "x", ${RANGE}, groupBy: ["\\u0000"]`, 'groupBy'],
      [
        `name: "x", startTime: "2020-01-01T00:00:00Z", endTime: "2026-01-01T00:00:00Z", interval: QUARTER_HOUR`,
        'interval',
      ],
    ]
    for (const [args, argument] of cases) {
      const response = await fixture.execute(`{ metrics(${args}) { value } }`, own)
      expect(code(response), args).toEqual([400, 'BAD_USER_INPUT'])
      expect(response.errors?.[0]?.extensions.argument).toBe(argument)
    }
    for (const [zone, suggestion] of [
      ['+05:30', 'Asia/Kolkata'],
      ['UTC+1', 'Asia/Kolkata'],
      ['EST', 'America/New_York'],
    ])
      expect(
        (
          await fixture.execute(
            `{ metrics(name: "x", ${RANGE}, timeZone: "${zone}") { value } }`,
            own,
          )
        ).errors?.[0]?.message,
      ).toContain(suggestion)
    for (const time of [
      '"2026-11-20"',
      '"2026-02-30T00:00:00Z"',
      '"2026-11-20T00:00:00"',
      '"now"',
      '5',
    ]) {
      const response = await fixture.execute(
        `{ metrics(name: "x", startTime: ${time}, endTime: "2027-01-01T00:00:00Z") { value } }`,
        own,
      )
      expect(response.errors?.[0]?.message).toContain('DateTime')
    }
  })

  test('a variable with text that no column can hold is rejected', async () => {
    const query = (fields: string) => `query ($text: String!, $id: ID!) { ${fields} }`
    for (const text of ['\u0000', '\ud800'])
      for (const [fields, argument] of [
        [`metrics(name: $text, ${RANGE}) { value }`, 'name'],
        [
          `metrics(name: "x", ${RANGE}, filter: [{ dimension: "a", in: [$text] }]) { value }`,
          'filter',
        ],
        ['event(id: $id) { id }', 'id'],
        ['events(name: $text) { edges { cursor } }', 'name'],
        ['events(after: $text) { edges { cursor } }', 'after'],
      ] as const) {
        const used = query(fields).replace(
          fields.includes('$id') ? '$text: String!, ' : ', $id: ID!',
          '',
        )
        const response = await fixture.execute(used, own, { text, id: text })
        expect(code(response), fields).toEqual([400, 'BAD_USER_INPUT'])
        expect(response.errors?.[0]?.extensions.argument).toBe(argument)
      }
  })

  test('a query from the first to the last representable time succeeds', async () => {
    const response = await fixture.execute(
      `{ metrics(name: "*", startTime: "0001-01-01T00:00:00Z", endTime: "9999-12-31T23:59:59.999999Z", interval: TOTAL) { value }
         totals(startTime: "0001-01-01T00:00:01Z", endTime: "9999-12-31T23:59:59.999999Z") { count previousCount uniqueActors } }`,
      own,
    )
    expect(response.data).toEqual({
      metrics: [{ value: 1 }],
      totals: { count: 1, previousCount: 0, uniqueActors: 0 },
    })
  })
})

describe('limits of GraphQL', () => {
  test('a query over a limit is rejected with 422 and the limit', async () => {
    const field = `metrics(name: "*", ${RANGE}) { value }`
    const many = Array.from({ length: 100 }, (_, i) => `f${i}: ${field}`).join('\n')
    const broad = await fixture.execute(`{ ${many} }`, own)
    expect(code(broad)).toEqual([422, 'QUERY_TOO_LARGE'])
    const expensive = await fixture.execute(
      `{ ${Array.from({ length: 90 }, (_, i) => `f${i}: ${field}`).join('\n')} }`,
      own,
    )
    expect([expensive.status, expensive.errors?.[0]?.extensions.limit]).toEqual([422, 'complexity'])
  })

  test('the usual introspection query succeeds, a deeper one is rejected', async () => {
    const response = await fixture.execute(getIntrospectionQuery(), own)
    expect([response.status, response.errors]).toEqual([200, undefined])
    const nested = `{ __schema { types { ${'fields { type { '.repeat(6)} name ${'} }'.repeat(6)} } } }`
    expect((await fixture.execute(nested, own)).errors?.[0]?.message).toContain('introspection')
  })

  test('a batch is refused, with a message that says so', async () => {
    const response = await fixture.graphql.fetch(
      new Request('http://localhost/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...own },
        body: JSON.stringify([{ query: '{ viewer { kind } }' }]),
      }),
    )
    expect([response.status, await response.json()]).toMatchObject([
      422,
      { errors: [{ extensions: { code: 'QUERY_TOO_LARGE', limit: 'batch' } }] },
    ])
  })

  const limitOf = async (query: string, headers = own) => {
    const response = await fixture.execute(query, headers)
    return [response.status, response.errors?.[0]?.extensions.limit]
  }
  const repeat = (count: number, part: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => part(i)).join(' ')

  test('introspection is asked for once in a request, and without aliases', async () => {
    const all = '__schema { types { name fields { name } } }'
    expect(await limitOf(`{ ${repeat(2, (i) => `a${i}: ${all}`)} }`)).toEqual([422, '__schema'])
    expect(
      await limitOf(`{ ${repeat(11, (i) => `a${i}: __type(name: "Event") { name }`)} }`),
    ).toEqual([422, '__type'])
    const aliased = `{ __schema { types { fields { ${repeat(90, (i) => `a${i}: name`)} } } } }`
    expect(await limitOf(aliased)).toEqual([422, 'aliases in introspection'])
  })

  test('a document is refused by its tokens, aliases and fields, with its fragments written out', async () => {
    expect(await limitOf(`{ ${'viewer { kind } '.repeat(1_000)} }`)).toEqual([422, 'tokens'])
    expect(await limitOf(`{ ${'viewer { kind } '.repeat(300)} }`)).toEqual([422, 'fields'])
    expect(await limitOf(`{ ${repeat(101, (i) => `a${i}: __typename`)} }`)).toEqual([
      422,
      'aliases',
    ])
    // Forty fragments, each of which doubles the one before.
    const doubled = repeat(40, (i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`)
    const bomb = `{ ...f0 } ${doubled} fragment f40 on Query { viewer { kind } }`
    expect(await limitOf(bomb)).toEqual([422, 'fields'])
    const cycle =
      '{ ...a } fragment a on Query { ...b } fragment b on Query { ...a viewer { kind } }'
    const cyclic = await fixture.execute(cycle, own)
    expect(cyclic.errors?.[0]?.message).toContain('Cannot spread fragment')
  })

  test('all points that a request asks for are counted before the first query is executed', async () => {
    const long =
      'startTime: "2026-01-01T00:00:00Z", endTime: "2026-04-01T00:00:00Z", interval: QUARTER_HOUR'
    expect(
      (await fixture.execute(`{ metrics(name: "*", ${long}) { value } }`, own)).errors,
    ).toBeUndefined()
    const three = repeat(3, (i) => `a${i}: metrics(name: "*", ${long}) { value }`)
    expect(await limitOf(`{ ${three} }`)).toEqual([422, 'points'])
    // Columns count too.
    const wide = repeat(90, (i) => `a${i}: value`)
    expect(await limitOf(`{ metrics(name: "*", ${long}) { ${wide} } }`)).toEqual([
      422,
      'complexity',
    ])
  })

  test('groups share what the buckets leave of the points, and a result beyond is refused', async () => {
    const wide = await createQueryFixture(['wide'])
    await wide.store(
      'wide',
      Array.from({ length: 3_000 }, (_, i) => ({
        occurredAt: new Date(Date.UTC(2026, 10, 20) + (i % 30) * 900_000).toISOString(),
        properties: { page: `/${Math.floor(i / 30)}` },
      })),
    )
    const key = await wide.keyOf('wide')
    const field = `metrics(name: "*", ${RANGE}, interval: QUARTER_HOUR, groupBy: ["page"]) { value }`
    const one = await wide.execute(`{ ${field} }`, key)
    expect([one.status, one.data.metrics.length]).toEqual([200, 3_000])
    const seven = await wide.execute(`{ ${repeat(7, (i) => `a${i}: ${field}`)} }`, key)
    expect([seven.status, seven.errors?.[0]?.extensions.limit]).toEqual([422, 'points'])
    await wide.close()
  })

  test('a response is refused at 8 MiB, and the next request is answered', async () => {
    const large = await createQueryFixture(['large'])
    const text = 'x'.repeat(60_000)
    await large.store(
      'large',
      Array.from({ length: 100 }, () => ({ properties: { text } })),
    )
    const key = await large.keyOf('large')
    const page = 'events(first: 100) { edges { node { properties } } }'
    const two = await large.execute(`{ a: ${page} b: ${page} }`, key)
    expect([two.status, two.errors?.[0]?.extensions.limit]).toEqual([422, 'response'])
    const one = await large.execute(`{ ${page} }`, key)
    expect([one.status, one.data.events.edges.length]).toEqual([200, 100])
    await large.close()
  })

  test('a body that is too large is rejected before it is parsed', async () => {
    const response = await fixture.execute(`{ viewer { kind } } #${'x'.repeat(300_000)}`, own)
    expect(response.status).toBe(413)
  })
})

test('what is denied is recorded with its request, key and tenant, and with nothing that was sent', async () => {
  const { db, live, log } = fixture
  const events: SecurityEvent[] = []
  const securityLog = { record: (event: SecurityEvent) => void events.push(event), close() {} }
  const graphql = createGraphQL({ db, live, log, securityLog, logger: { error() {} } })
  const send = (headers: Record<string, string>, query = '{viewer{kind}}') =>
    graphql.fetch(
      new Request(`http://localhost/graphql?query=${encodeURIComponent(query)}`, { headers }),
      { address: '203.0.113.9', requestId: 'r' },
    )
  const from = { outcome: 'denied', address: '203.0.113.9', requestId: 'r' }
  await send({})
  await send({ 'x-api-key': 'nonsense' })
  const writer = await createKey(db, { tenant: 'default', name: 'w', scopes: ['ingest'] })
  await send({ 'x-api-key': writer.key })
  await send(
    own,
    '{ a: event(tenant: "other", id: "x") { id } b: event(tenant: "other", id: "y") { id } }',
  )
  await send(own, `{ ${'viewer { kind } '.repeat(300)} }`)
  expect(events).toEqual([
    { name: 'credentials-refused', ...from, detail: 'UNAUTHENTICATED' },
    {
      name: 'access-denied',
      ...from,
      detail: 'FORBIDDEN',
      actor: `key ${writer.keyId}`,
      tenant: 'default',
    },
    {
      name: 'access-denied',
      ...from,
      detail: 'FORBIDDEN',
      actor: expect.stringMatching(/^key /),
      tenant: 'default',
    },
    {
      name: 'limit-exceeded',
      ...from,
      detail: 'QUERY_TOO_LARGE',
      actor: expect.stringMatching(/^key /),
      tenant: 'default',
    },
  ])
})

test('what a person is denied is recorded with the person and the tenant where it was', async () => {
  const { db, live, log } = fixture
  const events: SecurityEvent[] = []
  const securityLog = { record: (event: SecurityEvent) => void events.push(event), close() {} }
  const graphql = createGraphQL({ db, live, log, securityLog, logger: { error() {} } })
  const send = (headers: Record<string, string>, query: string) =>
    graphql.fetch(
      new Request('http://localhost/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-graphql-yoga-csrf': '1', ...headers },
        body: JSON.stringify({ query }),
      }),
    )
  const one = await fixture.person({ other: 'VIEWER' })
  const two = await fixture.person({ default: 'OWNER', other: 'VIEWER' })
  await send(
    two.headers,
    '{ a: apiKeys(tenant: "default") { id } b: apiKeys(tenant: "other") { id } }',
  )
  await send(two.headers, `{ ${'viewer { kind } '.repeat(300)} }`)
  await send(one.headers, `{ ${'viewer { kind } '.repeat(300)} }`)
  expect(events).toEqual([
    {
      ...{ name: 'access-denied', outcome: 'denied', detail: 'FORBIDDEN' },
      ...{ actor: `person ${two.personId}`, tenant: 'other' },
    },
    {
      ...{ name: 'limit-exceeded', outcome: 'denied', detail: 'QUERY_TOO_LARGE' },
      actor: `person ${two.personId}`,
    },
    {
      ...{ name: 'limit-exceeded', outcome: 'denied', detail: 'QUERY_TOO_LARGE' },
      ...{ actor: `person ${one.personId}`, tenant: 'other' },
    },
  ])
})

describe('requests across origins', () => {
  test('a browser request without a preflight is rejected', async () => {
    const form = await fixture.graphql.fetch(
      new Request('http://localhost/graphql', {
        method: 'POST',
        headers: { 'content-type': 'text/plain', ...session },
        body: JSON.stringify({ query: '{ viewer { kind } }' }),
      }),
    )
    expect([form.status, await form.json()]).toMatchObject([
      403,
      { errors: [{ extensions: { code: 'CROSS_SITE_REFUSED' } }] },
    ])
    const get = (headers: Record<string, string>) =>
      fixture.graphql.fetch(
        new Request('http://localhost/graphql?query={viewer{kind}}', {
          headers: { accept: 'application/json', ...headers },
        }),
      )
    expect((await get(session)).status).toBe(403)
    expect((await get({ ...session, 'x-graphql-yoga-csrf': '1' })).status).toBe(200)
    expect((await get(own)).status).toBe(200)
    expect((await get(own)).headers.get('access-control-allow-origin')).toBeNull()
  })
})

test('variables in the URL that are not JSON are the error of the client', async () => {
  const url = 'http://localhost/graphql?query={viewer{kind}}&variables=%7B'
  const response = await fixture.graphql.fetch(new Request(url, { headers: own }))
  expect([response.status, await response.json()]).toMatchObject([
    400,
    { errors: [{ extensions: { code: 'BAD_USER_INPUT', argument: 'variables' } }] },
  ])
})

test('a body without the content type of JSON is refused with the type that it has', async () => {
  const send = async (type: string | undefined) => {
    const headers = { ...own, ...(type !== undefined && { 'content-type': type }) }
    const body = new TextEncoder().encode('{"query":"{viewer{kind}}"}')
    const request = new Request('http://localhost/graphql', { method: 'POST', headers, body })
    const response = await fixture.graphql.fetch(request)
    const { errors } = (await response.json()) as QueryResponse
    return [response.status, errors?.[0]?.message]
  }
  const type = 'application/x-www-form-urlencoded'
  expect(await send(type)).toEqual([
    415,
    `Send the header Content-Type: application/json; this request has "${type}".`,
  ])
  expect(await send(undefined)).toEqual([
    415,
    'Send the header Content-Type: application/json; this request has none.',
  ])
})

describe('an event whose properties have the names of what programs look for', () => {
  const NAMES = [
    'then',
    'toJSON',
    'constructor',
    'valueOf',
    'toString',
    'inspect',
    'length',
    '0',
    'hasOwnProperty',
    'asymmetricMatch',
    'catch',
    'stringify',
  ]
  const properties = Object.fromEntries(NAMES.map((name) => [name, `a ${name}`]))

  test('is returned like any other, by events, event, metrics and live', async () => {
    const odd = await createQueryFixture(['default'])
    const key = await odd.keyOf('default')
    await odd.store('default', [
      { id: 'odd', name: 'odd', properties, occurredAt: '2026-11-20T10:00:00Z' },
    ])
    const { data, errors } = await odd.execute(
      `{ event(id: "odd") { properties context } events { edges { node { properties } } }
         ${NAMES.map((name, i) => `m${i}: metrics(name: "odd", ${RANGE}, interval: TOTAL, groupBy: ["${name}"]) { value dimensions }`).join('\n')} }`,
      key,
    )
    expect(errors).toBeUndefined()
    expect(data.event).toEqual({ properties, context: null })
    expect(data.events.edges).toEqual([{ node: { properties } }])
    for (const [i, name] of NAMES.entries())
      expect(data[`m${i}`]).toEqual([{ value: 1, dimensions: { [name]: `a ${name}` } }])
    const live = await odd.graphql.fetch(
      new Request('http://localhost/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...key },
        body: JSON.stringify({ query: 'subscription { live { recent { properties } } }' }),
      }),
    )
    let text = ''
    for await (const chunk of live.body as ReadableStream<Uint8Array>) {
      text += Buffer.from(chunk)
      if (text.includes('"recent"')) break
    }
    const update = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] as string)
    expect(update.data.live.recent).toEqual([{ properties }])
    await odd.close()
  })
})

describe('failures behind GraphQL', () => {
  test('the error of a statement is masked', async () => {
    const broken = await createQueryFixture()
    const headers = await broken.session()
    await broken.store('default', [{ name: 'confidential' }])
    await broken.database.pool.query('ALTER TABLE event RENAME COLUMN name TO secret_name')
    const masked = await broken.execute('{ events { edges { node { id } } } }', headers)
    expect(code(masked)).toEqual([500, 'INTERNAL_SERVER_ERROR'])
    expect(masked.errors?.[0]?.message).toBe('Something failed on our side.')
    expect(masked.errors?.[0]?.extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR' })
    // The log has what a person needs to find it, and nothing of the query.
    const { db, live, log } = broken
    const lines: Record<string, unknown>[] = []
    const logger = { error: (fields: object) => void lines.push({ ...fields }) }
    const request = new Request('http://localhost/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query: '{ events(name: "confidential") { edges { node { id } } } }' }),
    })
    await createGraphQL({ db, live, log, logger }).fetch(request, { requestId: 'my-request' })
    expect(lines).toEqual([
      {
        request_id: 'my-request',
        error: 'error',
        code: '42703',
        stack: expect.stringMatching(/^\s+at [\s\S]*events-page/),
      },
    ])
    expect(JSON.stringify(lines)).not.toMatch(/confidential|SELECT/i)
    await broken.close()
  })

  test('an unavailable database and a slow query have error codes of their own', async () => {
    const { live } = fixture
    const logged: object[] = []
    const logger = { error: (fields: object) => logged.push(fields) }
    const execute = async (db: Database, query: string) => {
      const request = new Request('http://localhost/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...own },
        body: JSON.stringify({ query }),
      })
      const response = await createGraphQL({ db, live, log: fixture.log, logger }).fetch(request)
      const { errors } = (await response.json()) as { errors: QueryResponse['errors'] }
      await db.destroy()
      return [response.status, errors?.[0]?.extensions.code]
    }
    const away = createDatabase('postgres://127.0.0.1:1/nowhere', { connectMs: 500 })
    expect(await execute(away, '{ viewer { kind } }')).toEqual([503, 'DATABASE_UNAVAILABLE'])

    const blocker = await fixture.database.pool.connect()
    await blocker.query('BEGIN; LOCK TABLE event')
    const slow = createDatabase(fixture.database.url, { statementMs: 100 })
    expect(await execute(slow, '{ event(id: "mine") { id } }')).toEqual([503, 'QUERY_TOO_SLOW'])
    await blocker.query('ROLLBACK')
    blocker.release()
    expect(JSON.stringify(logged)).not.toContain(own.authorization?.slice(7))
  })
})

test.each(['PUT', 'DELETE', 'PATCH'])(
  'another method than those of GraphQL is refused with those that are allowed: %s',
  async (method) => {
    const { graphql } = fixture
    const request = new Request('http://localhost/graphql', {
      method,
      headers: await fixture.keyOf('default'),
    })
    const response = await graphql.fetch(request)
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST'])
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'METHOD_NOT_ALLOWED' } }],
    })
  },
)

test('the pipeline shows lag, worker and offset gaps of every partition', async () => {
  await fixture.log.append('events.raw', [
    { partition: 4, key: null, value: Buffer.from('a') },
    { partition: 4, key: null, value: Buffer.from('b') },
  ])
  await fixture.database.pool.query(
    `UPDATE log_position SET next_offset = 1, written_at = now() WHERE partition = 4;
     UPDATE log_lease SET worker_id = 'w-1' WHERE partition = 4;
     INSERT INTO offset_gap (topic, partition, expected, available, seen_at, skipped_at) VALUES
       ('events.raw', 1, 10, 13, '2026-11-20T10:00:00Z', NULL), ('events.raw', 2, 10, 13, '2026-11-20T10:00:00Z', now())`,
  )
  const query =
    '{ pipeline { lag applied partitions { partition position end lag worker } gaps { partition expected available seenAt } } }'
  const { data } = await fixture.execute(query, session)
  expect(data.pipeline).toMatchObject({
    lag: 1,
    applied: 1,
    gaps: [{ partition: 1, expected: 10, available: 13, seenAt: '2026-11-20T10:00:00Z' }],
  })
  expect(data.pipeline.partitions).toHaveLength(6)
  expect(data.pipeline.partitions[4]).toEqual({
    partition: 4,
    position: 1,
    end: 2,
    lag: 1,
    worker: 'w-1',
  })
  // A tenant's key sees where records are missing, but not how much all tenants send.
  const hidden = { position: null, end: null, lag: null, worker: null }
  expect((await fixture.execute(query, own)).data.pipeline).toEqual({
    lag: null,
    applied: null,
    partitions: [0, 1, 2, 3, 4, 5].map((partition) => ({ partition, ...hidden })),
    gaps: [{ partition: 1, expected: null, available: null, seenAt: '2026-11-20T10:00:00Z' }],
  })
  expect(code(await fixture.execute(query))).toEqual([401, 'UNAUTHENTICATED'])
})
