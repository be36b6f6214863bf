import { beforeAll, expect, it } from 'vitest'
import { type KeyRecord, mintApiKey } from '../../contract/api-key.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { ProduceRecord } from '../../contract/log/kafka-rest.ts'
import { BATCHES } from '../../contract/testing/vectors.ts'
import { createAdmission } from '../admission/admission.ts'
import { createMemoryIdempotency } from '../admission/memory-idempotency.ts'
import { createMemoryRateLimiter } from '../admission/memory-rate-limiter.ts'
import { createEdge } from '../app.ts'
import type { Case } from './cases/case.ts'
import { CASES } from './cases.ts'

/**
 * The table's requests handed to the app itself. table.test.ts sends them over HTTP to three runtimes; here they take
 * milliseconds, so that mutation tests can repeat them.
 */
const NEVER_SENT = new Set(['TRACE', 'CONNECT'])

const records: ProduceRecord[] = []
const keys = new Map<string, KeyRecord>()
let edge: ReturnType<typeof createEdge>
beforeAll(() => {
  edge = createEdge({
    findKey: async (key) => keys.get(key),
    admission: createAdmission(createMemoryRateLimiter(), createMemoryIdempotency()),
    publish: async (published) => {
      records.push(...published)
      return published.map(({ topic }, offset) => ({ topic, partition: 0, offset, timestamp: 0 }))
    },
    edgeNameOf: () => 'here',
    addressOf: () => undefined,
    now: () => Date.now(),
    report: () => {},
  })
})

function addKey(changed: Partial<KeyRecord> = {}): string {
  const key = mintApiKey(changed.kind ?? 'sec')
  keys.set(key, {
    key_id: 'k1',
    tenant: `tenant-${keys.size}`,
    kind: 'sec',
    scopes: ['ingest'],
    origins: [],
    key_events_per_minute: 100_000,
    tenant_events_per_minute: 100_000,
    may_import_history: false,
    event_age_max_s: 90 * 86_400,
    expires_at: null,
    revoked_at: null,
    ...changed,
  })
  return key
}

async function send({
  key: wanted,
  keyAs,
  method = 'POST',
  path = '/v1/events',
  headers,
  body,
}: Case) {
  const key = wanted === null ? undefined : addKey(wanted)
  const as = key ? (keyAs?.(key) ?? { headers: { authorization: `Bearer ${key}` } }) : {}
  const response = await edge.request(`http://localhost${as.path ?? path}`, {
    method,
    headers: { ...headers, ...as.headers },
    body: method === 'GET' || method === 'HEAD' ? undefined : (body as string | undefined),
  })
  const text = await response.text()
  return { status: response.status, text, headers: response.headers }
}

const usable = CASES.filter(({ method = 'POST' }) => !NEVER_SENT.has(method))

it.each(usable)('$title gives $status $code', async (testCase) => {
  const before = records.length
  const { status, text, headers } = await send(testCase)
  expect(status).toBe(testCase.status)
  for (const [name, value] of Object.entries(testCase.responseHeaders ?? {}))
    expect(headers.get(name)).toEqual(
      typeof value === 'string' ? value : expect.stringMatching(value),
    )
  const json = /[/+]json/.test(headers.get('content-type') ?? '') && text ? JSON.parse(text) : {}
  if (testCase.code && testCase.method !== 'HEAD')
    expect(json).toMatchObject({ code: testCase.code, title: ERRORS[testCase.code].message })
  if (testCase.errors)
    expect(
      json.errors.map((e: Record<string, unknown>) => `${e.index} ${e.pointer} ${e.code}`),
    ).toEqual(testCase.errors)
  const published = records.slice(before)
  if (status === 202) expect(published).toHaveLength(json.accepted)
  for (const [i, expected] of (testCase.expectedEvents ?? []).entries())
    expect(JSON.parse(published[i]?.value ?? '{}').event).toMatchObject(JSON.parse(expected))
})

it.each(BATCHES.filter(({ rejected }) => !rejected))(
  'the golden vector "$title" is published',
  async (vector) => {
    const before = records.length
    await send({ title: '', status: 202, body: vector.body })
    const wanted = (vector.events ?? []).flatMap((event) =>
      typeof event === 'string' ? [JSON.parse(event)] : [],
    )
    expect(records.slice(before).map(({ value }) => JSON.parse(value).event)).toMatchObject(
      wanted.map(({ event_id, occurred_at, ...event }) => event),
    )
  },
)
