import { expect, it } from 'vitest'
import { describeEdges } from '../testing/edge-harness.ts'

/** Every field by which a client could try to name another tenant. */
const NAMES = {
  tenant: 'victim',
  tenant_id: 'victim',
  tenantId: 'victim',
  project_id: 'victim',
  key: 'victim:u1',
  partition_key: 'victim:u1',
}
const EVENT = { ...NAMES, event: 'a', user_id: 'u1', properties: NAMES, metadata: NAMES }
const SEGMENT = { ...NAMES, type: 'track', event: 'a', userId: 'u1', properties: NAMES }
const POSTHOG = { ...NAMES, event: 'a', distinct_id: 'u1', properties: NAMES }
const LOG = { ...NAMES, eventName: 'a' }
const JSON_TYPE = 'application/json'

describeEdges('a request that names another tenant', (harness) => {
  it.each<[what: string, path: string, body: unknown, type?: string]>([
    ['one event', '/v1/events', EVENT],
    ['an array', '/v1/events', [EVENT, EVENT]],
    ['an envelope', '/v1/events', { ...NAMES, events: [EVENT] }],
    ['NDJSON', '/v1/events', `${JSON.stringify(EVENT)}\n`, 'application/x-ndjson'],
    [
      'a CloudEvent',
      '/v1/events',
      { specversion: '1.0', id: '1', source: '/s', type: 'a', tenant: 'victim', data: NAMES },
      'application/cloudevents+json',
    ],
    ['PulseOps', '/ingest', EVENT],
    ['Pulse', '/events', EVENT],
    ['Analytics-Pipeline', '/api/v1/events', EVENT],
    ['a batch of EventPulse', '/api/v1/events/batch', { ...NAMES, events: [EVENT] }],
    ['Segment', '/v1/track', SEGMENT],
    ['a batch of Segment', '/v1/batch', { ...NAMES, batch: [SEGMENT] }],
    ['PostHog', '/capture', POSTHOG],
    ['a batch of PostHog', '/batch', { ...NAMES, batch: [POSTHOG] }],
    ['OTLP', '/v1/logs', { ...NAMES, resourceLogs: [{ scopeLogs: [{ logRecords: [LOG] }] }] }],
    ['Mixpanel', '/track', [{ event: 'a', properties: NAMES }]],
    ['Amplitude', '/2/httpapi', { ...NAMES, events: [{ event_type: 'a', ...NAMES }] }],
    ['GA4', '/mp/collect', { ...NAMES, events: [{ name: 'a', params: NAMES }] }],
    ['Plausible', '/api/event', { ...NAMES, name: 'a', domain: 'victim' }],
    ['Umami', '/api/send', { ...NAMES, payload: { ...NAMES, website: 'victim' } }],
    ['Jitsu', '/api/s/track', SEGMENT],
    ['Snowplow', '/com.snowplowanalytics.snowplow/tp2', { data: [{ e: 'pv', aid: 'victim' }] }],
  ])(
    'in the form of %s is stored for the tenant of its key',
    async (_, path, body, type = JSON_TYPE) => {
      const { key, record } = harness.gateway.addKey({ tenant: 'mine' })
      const before = harness.gateway.records.length
      const query = '?tenant=victim&tenant_id=victim&project_id=victim'
      const headers = { 'content-type': type, 'x-tenant': 'victim', 'x-tenant-id': 'victim' }
      const response = await harness.post(key, body, { path: `${path}${query}`, headers })
      expect(response.status).toBeLessThan(300)
      const arrived = harness.gateway.records.slice(before)
      expect(arrived.length).toBeGreaterThan(0)
      for (const { key: recordKey, value } of arrived) {
        expect(JSON.parse(value).tenant).toBe(record.tenant)
        // The record key routes duplicates to one partition.
        expect(recordKey).toMatch(/^mine:/)
      }
    },
  )
})
