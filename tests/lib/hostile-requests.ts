import { gzipSync } from 'node:zlib'

/** A request that nobody sends by accident. */
export interface HostileRequest {
  name: string
  to: 'core' | 'edge'
  path: string
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array<ArrayBuffer>
  /** Where reading it is work that its limits allow before it is refused. */
  budgetMs?: number
}

const JSON_TYPE = { 'content-type': 'application/json' }
const repeat = (count: number, part: (i: number) => string, separator = ' ') =>
  Array.from({ length: count }, (_, i) => part(i)).join(separator)
const RANGE = 'startTime: "2026-08-01T00:00:00Z", endTime: "2026-11-01T00:00:00Z"'

/** What every kind of client sends to /graphql, by the document. */
const DOCUMENTS: Record<string, string> = {
  'introspection by 200 aliases': introspectionBomb(200),
  'introspection by 1,500 aliases': introspectionBomb(1_500),
  'a document of 255 kB': `{${repeat(20_000, (i) => `b${i}:x`).slice(0, 250_000)}}`,
  'the viewer 500 times': `{${'viewer{kind}'.repeat(500)}}`,
  'aliases of __typename': `{${repeat(600, (i) => `a${i}:__typename`)}}`,
  'a thousand operations': repeat(1_000, (i) => `query q${i}{viewer{kind}}`),
  'a cycle of fragments': '{...a} fragment a on Query{...b} fragment b on Query{...a viewer{kind}}',
  'fragments that double forty times': `{...f0} ${repeat(40, (i) => `fragment f${i} on Query{...f${i + 1} ...f${i + 1}}`)} fragment f40 on Query{viewer{kind}}`,
  'nesting of 900 levels': `{${'viewer{'.repeat(900)}kind${'}'.repeat(900)}}`,
  'nesting of 50,000 levels': `{${'a{'.repeat(50_000)}`,
  'the same field 400 times': `{viewer{${'kind '.repeat(400)}}}`,
  'directives by the hundred': `{viewer{kind ${'@include(if:true)'.repeat(300)}}}`,
  'unknown directives': `{viewer{kind ${repeat(600, (i) => `@d${i}`)}}}`,
  'variables by the hundred': `query(${repeat(600, (i) => `$v${i}:Int`)}){viewer{kind}}`,
  'a list of 1,500 values': `{metrics(name:"*",${RANGE},filter:[{dimension:"a",in:[${repeat(1_500, () => '"x"')}]}]){value}}`,
  'metrics by 33 aliases': `{${repeat(33, (i) => `m${i}:metrics(name:"*",${RANGE},interval:QUARTER_HOUR){timestamp value isFinal lateCount}`)}}`,
  'metrics of 180 columns': `{metrics(name:"*",${RANGE},interval:QUARTER_HOUR){${repeat(90, (i) => `a${i}:value b${i}:lateCount`)}}}`,
  'quarter hours of a century':
    '{metrics(name:"*",startTime:"1926-01-01T00:00:00Z",endTime:"2026-01-01T00:00:00Z",interval:QUARTER_HOUR){value}}',
  'five dimensions': `{metrics(name:"*",${RANGE},groupBy:["a","b","c","d","e"]){value}}`,
  'a thousand million events': '{events(first:1000000000){edges{node{id}}}}',
  'a negative number of events': '{events(first:-1){edges{node{id}}}}',
  'a number beyond 32 bits': '{events(first:99999999999999999999){edges{node{id}}}}',
  'a cursor of junk': '{events(after:"AAAA////"){edges{node{id}}}}',
  'a cursor of 100 kB': `{events(after:"${'A'.repeat(100_000)}"){edges{node{id}}}}`,
  'an id of 100 kB': `{event(id:"${'x'.repeat(100_000)}"){id}}`,
  'an id with SQL': `{event(id:"'; DROP TABLE event; --"){id}}`,
  'a name with NUL': '{events(name:"\\u0000"){edges{node{id}}}}',
  'a tenant with quotes': '{event(tenant:"\\"\'`", id:"x"){id}}',
  'the tenant of somebody else': '{event(tenant:"nobody", id:"x"){id}}',
  'the field __proto__': '{__proto__ constructor toString}',
  'a type by the hundred': `{${repeat(90, (i) => `t${i}:__type(name:"Event"){fields{name}}`)}}`,
  'a mutation': 'mutation{deleteEverything}',
  'a subscription to nothing': 'subscription{nothing}',
  'a syntax error': '{viewer{',
  'nothing but a comment': `#${'x'.repeat(200_000)}`,
  'control characters': '{\u0001viewer{kind}}',
  'a string that never ends': `{event(id:"${'\\n'.repeat(1_000)}`,
  'block strings': `{event(id:"""${'\n '.repeat(20_000)}"""){id}}`,
}

function introspectionBomb(aliases: number): string {
  const all =
    'fragment F on __Schema{types{name fields{name args{name type{name}} type{name kind ofType{name}}} enumValues{name}}}'
  return `${all}{${repeat(aliases, (i) => `a${i}:__schema{...F}`)}}`
}

/** Bodies of /graphql that are no document. */
const BODIES: Record<string, [body: string | Uint8Array<ArrayBuffer>, headers?: object]> = {
  'a batch of ten': [
    JSON.stringify(Array.from({ length: 10 }, () => ({ query: '{viewer{kind}}' }))),
  ],
  'an empty batch': ['[]'],
  null: ['null'],
  'a number': ['1'],
  'an empty body': [''],
  'invalid JSON': ['{"query":'],
  'invalid UTF-8': [new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
  'JSON of 50,000 levels': [`${'['.repeat(50_000)}${']'.repeat(50_000)}`],
  'a query that is an object': ['{"query":{"toString":1}}'],
  'variables that are an array': ['{"query":"{viewer{kind}}","variables":[1]}'],
  'variables named __proto__': [
    '{"query":"query($a:Int){viewer{kind}}","variables":{"__proto__":{"a":1}}}',
  ],
  'variables of 200 kB': [
    JSON.stringify({
      query: 'query($id:ID!){event(id:$id){id}}',
      variables: { id: 'x'.repeat(200_000) },
    }),
  ],
  'an unknown operation': ['{"query":"query a{viewer{kind}}","operationName":"constructor"}'],
  'a body of 5 MB': ['x'.repeat(5_000_000)],
  'text/plain': ['{"query":"{viewer{kind}}"}', { 'content-type': 'text/plain' }],
  'a form': [
    'query=%7Bviewer%7Bkind%7D%7D',
    { 'content-type': 'application/x-www-form-urlencoded' },
  ],
  multipart: ['--x\r\n', { 'content-type': 'multipart/form-data; boundary=x' }],
  XML: ['<!DOCTYPE a [<!ENTITY b "c">]>', { 'content-type': 'application/xml' }],
  'a gzip bomb': [
    gzipSync(Buffer.alloc(20_000_000)) as Uint8Array<ArrayBuffer>,
    { 'content-encoding': 'gzip' },
  ],
}

const core = (name: string, path: string, rest: Partial<HostileRequest> = {}): HostileRequest => ({
  name,
  to: 'core',
  path,
  ...rest,
})
const edge = (name: string, path: string, rest: Partial<HostileRequest> = {}): HostileRequest => ({
  name,
  to: 'edge',
  path,
  ...rest,
})
const post = (body: HostileRequest['body'], headers: Record<string, string> = JSON_TYPE) => ({
  method: 'POST',
  headers,
  ...(body !== undefined && { body }),
})

const CORE: HostileRequest[] = [
  ...['PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method) =>
    core(`${method} /graphql`, '/graphql', { method }),
  ),
  core('a query of 8 kB in the URL', `/graphql?query=${'x'.repeat(8_000)}`),
  core('variables of junk in the URL', '/graphql?query={viewer{kind}}&variables=%7B'),
  core('headers of 30 kB', '/', { headers: { 'x-junk': 'x'.repeat(30_000) } }),
  core('a cookie of 10 kB', '/graphql', {
    headers: { cookie: `sluice_session=${'x'.repeat(10_000)}` },
  }),
  core('a key of 10 kB', '/graphql', { headers: { 'x-api-key': 'x'.repeat(10_000) } }),
  core('an encoded way out of the folder', '/%2e%2e/%2e%2e/etc/passwd'),
  core('a way out with encoded slashes', '/assets/..%2f..%2f..%2fetc%2fpasswd'),
  core('a path with NUL', '/%00'),
  core('a path of invalid UTF-8', '/%ff%fe'),
  core('a path of 8 kB', `/${'a/'.repeat(4_000)}`),
  core('a health check of another product', '/api/v1/health'),
  core('metrics through a proxy', '/metrics', { headers: { 'x-forwarded-for': '203.0.113.1' } }),
  core(
    'a sign-in with a made-up link',
    '/login',
    post(JSON.stringify({ token: 'A'.repeat(43) }), { ...JSON_TYPE, 'x-sluice-sign-in': '1' }),
  ),
  core('a sign-in from another site', '/login', post('{"token":"x"}')),
  core(
    'a sign-in of 2 MB',
    '/login',
    post('x'.repeat(2_000_000), { ...JSON_TYPE, 'x-sluice-sign-in': '1' }),
  ),
  core('a sign-out from another site', '/logout', {
    method: 'POST',
    headers: { 'sec-fetch-site': 'cross-site' },
  }),
  core('a report of 2 MB', '/csp-report', post('x'.repeat(2_000_000))),
  core('the gateway without credentials', '/gateway/produce', post('[]')),
  core(
    'the gateway with made-up credentials',
    '/gateway/produce',
    post('[]', { authorization: `Basic ${Buffer.from('sluice:wrong').toString('base64')}` }),
  ),
  core(
    'the log without credentials',
    '/gateway/fetch',
    post('{"topic":"events.raw","partition":0,"offset":0}'),
  ),
  core('the key directory without credentials', `/gateway/keys/${'0'.repeat(64)}`),
  core('Redis without credentials', '/redis/pipeline', post('[["FLUSHALL"]]')),
  core(
    'Redis with a made-up token',
    '/redis',
    post('["EVAL","while true do end",0]', { ...JSON_TYPE, authorization: 'Bearer x' }),
  ),
]

const EVENT = '{"event":"a"}'
const EDGE: HostileRequest[] = [
  edge('an empty body', '/v1/events', post('')),
  edge('invalid JSON', '/v1/events', post('{"event":')),
  edge('JSON of 50,000 levels', '/v1/events', post(`${'['.repeat(50_000)}`)),
  edge(
    'properties of 5,000 levels',
    '/v1/events',
    post(`{"event":"a","p":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`),
  ),
  edge('1,001 events', '/v1/events', post(`[${repeat(1_001, () => EVENT, ',')}]`)),
  edge('a body of 3 MB', '/v1/events', post('x'.repeat(3_000_000))),
  edge(
    'an event of 200 kB',
    '/v1/events',
    post(JSON.stringify({ event: 'a', text: 'x'.repeat(200_000) })),
  ),
  edge(
    '5,000 properties',
    '/v1/events',
    post(`{"event":"a",${repeat(5_000, (i) => `"k${i}":1`, ',')}}`),
  ),
  edge('a property __proto__', '/v1/events', post('{"event":"a","__proto__":{"x":1}}')),
  edge('NUL in a property', '/v1/events', post('{"event":"a","p":"\\u0000"}')),
  edge('half a surrogate pair', '/v1/events', post('{"event":"a","p":"\\ud800"}')),
  edge('a number beyond doubles', '/v1/events', post('{"event":"a","value":1e400}')),
  edge(
    'an id of 100 kB',
    '/v1/events',
    post(JSON.stringify({ event: 'a', event_id: 'x'.repeat(100_000) })),
  ),
  edge('invalid UTF-8', '/v1/events', post(new Uint8Array([0x7b, 0xff, 0x7d]))),
  edge(
    'a gzip bomb',
    '/v1/events',
    post(gzipSync(Buffer.alloc(50_000_000)) as Uint8Array<ArrayBuffer>, {
      ...JSON_TYPE,
      'content-encoding': 'gzip',
    }),
  ),
  edge(
    'a gzip bomb for PostHog',
    '/batch/',
    post(gzipSync(Buffer.alloc(50_000_000)) as Uint8Array<ArrayBuffer>, {
      ...JSON_TYPE,
      'content-encoding': 'gzip',
    }),
  ),
  edge(
    'a gzip bomb for Mixpanel',
    '/track',
    post(gzipSync(Buffer.alloc(50_000_000)) as Uint8Array<ArrayBuffer>),
  ),
  edge(
    'log records that are nested deeply',
    '/v1/logs',
    post(
      `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${'{"arrayValue":{"values":['.repeat(30_000)}`,
    ),
  ),
  edge('a Snowplow image of junk', '/i?aid=%00&ue_px=%ff%fe&cx=e30'),
  edge('a secret as api_secret', '/mp/collect?api_secret=slc_sec_nonsense', post('{"events":[]}')),
  edge('gzip of junk', '/v1/events', post('junk', { ...JSON_TYPE, 'content-encoding': 'gzip' })),
  edge(
    'ten encodings',
    '/v1/events',
    post(EVENT, { ...JSON_TYPE, 'content-encoding': repeat(10, () => 'gzip', ', ') }),
  ),
  edge(
    'an unknown encoding',
    '/v1/events',
    post(EVENT, { ...JSON_TYPE, 'content-encoding': 'br' }),
  ),
  edge('XML', '/v1/events', post('<a/>', { 'content-type': 'application/xml' })),
  edge(
    'an Idempotency-Key of 4 kB',
    '/v1/events',
    post(EVENT, { ...JSON_TYPE, 'idempotency-key': 'x'.repeat(4_000) }),
  ),
  edge('lines of junk', '/v1/events', {
    ...post('x\n'.repeat(50_000), { 'content-type': 'application/x-ndjson' }),
    budgetMs: 2_000,
  }),
  edge(
    'a line of 2 MB',
    '/v1/events',
    post('x'.repeat(2_000_000), { 'content-type': 'application/x-ndjson' }),
  ),
  edge('a key of PostHog that is made up', '/batch/', post('{"api_key":"nonsense","batch":[]}')),
  edge('a secret in the URL', '/v1/events?key=slc_sec_nonsense', post(EVENT)),
  edge('a pixel of junk', '/v1/pixel.gif?data=%ff%fe'),
  edge('a path out of the root', '/%2e%2e/secrets'),
  edge('PUT', '/v1/events', { method: 'PUT', body: EVENT }),
  edge('headers of 30 kB', '/v1/events', {
    ...post(EVENT),
    headers: { ...JSON_TYPE, 'x-junk': 'x'.repeat(30_000) },
  }),
]

/** Everything, for clients of any kind. */
export const HOSTILE_REQUESTS: readonly HostileRequest[] = [
  ...Object.entries(DOCUMENTS).map(([name, query]) =>
    core(name, '/graphql', post(JSON.stringify({ query }))),
  ),
  ...Object.entries(BODIES).map(([name, [body, headers]]) =>
    core(name, '/graphql', post(body, { ...JSON_TYPE, ...headers })),
  ),
  ...CORE,
  ...EDGE,
]
