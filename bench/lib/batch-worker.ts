import { Hono } from 'hono'
import { createAdmission } from '../../edge/admission/admission.ts'
import { createMemoryIdempotency } from '../../edge/admission/memory-idempotency.ts'
import { createMemoryRateLimiter } from '../../edge/admission/memory-rate-limiter.ts'
import { createEdge } from '../../edge/app.ts'

/**
 * Both arms in one worker: the edge with a publisher that accepts everything at once, and the baseline, which
 * parses the same body and serializes it.
 */
const edge = createEdge({
  findKey: async () => KEY,
  admission: createAdmission(createMemoryRateLimiter(), createMemoryIdempotency()),
  publish: async (records) =>
    records.map(({ topic, value }, offset) => {
      published += value.length
      return { topic, partition: 0, offset, timestamp: 0 }
    }),
  edgeNameOf: () => 'bench',
  addressOf: () => undefined,
  now: () => Date.now(),
  report: (reported) => console.error(JSON.stringify(reported)),
} as Parameters<typeof createEdge>[0])
let published = 0

const KEY = {
  key_id: 'bench',
  tenant: 'bench',
  kind: 'sec' as const,
  scopes: ['ingest' as const],
  origins: [],
  key_events_per_minute: 1e9,
  tenant_events_per_minute: 1e9,
  may_import_history: false,
  event_age_max_s: 30 * 24 * 3600,
  expires_at: null,
  revoked_at: null,
}

const app = new Hono()
app.post('/floor', async (c) => {
  const serialized = JSON.stringify(JSON.parse(await c.req.text()))
  return c.json({ accepted: serialized.length }, 202)
})
app.get('/published', (c) => c.json({ published }))
app.all('*', (c) => edge.fetch(c.req.raw, c.env as object))

export default app
