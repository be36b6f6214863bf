import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'

const day = 86_400_000
/** Milliseconds around the boundary: the request may take most of a second to arrive. */
const AROUND = Array.from({ length: 1_000 }, (_, i) => i - 50)

describeEdges('the time limits', (harness) => {
  /** Sends events around now + offset; their ages follow from received_at, which is known only afterwards. */
  async function around(key: string, offsetMs: number, path = '/v1/events') {
    // Puts the key into the cache.
    await harness.post(key, { event: 'warm' })
    const now = Date.now()
    const events = AROUND.map((ms) => ({
      event: 'a',
      timestamp: new Date(now + offsetMs + ms).toISOString(),
    }))
    const before = harness.gateway.records.length
    const { status, json } = await harness.post(key, events, { path })
    expect(status).toBe(202)
    const warned = new Set<number>(
      (json.warnings ?? []).map((warning: { index: number }) => warning.index),
    )
    const codes = new Set<string>(
      (json.warnings ?? []).map((warning: { code: string }) => warning.code),
    )
    const ages = harness.gateway.records.slice(before).map(({ value }) => {
      const { received_at, event } = JSON.parse(value)
      return Date.parse(received_at) - Date.parse(event.occurred_at)
    })
    const results = ages.map((ageMs, index) => ({ ageMs, warned: warned.has(index) }))
    return { results, codes }
  }
  const agesOf = (results: { ageMs: number; warned: boolean }[], warned: boolean) =>
    results.filter((result) => result.warned === warned).map(({ ageMs }) => ageMs)

  it('accept an event of the maximum age, and add a warning one millisecond later', async () => {
    const key = harness.newKey({ event_age_max_s: 7 * 86_400 })
    const { results, codes } = await around(key, -7 * day)
    expect(Math.max(...agesOf(results, false))).toBe(7 * day)
    expect(Math.min(...agesOf(results, true))).toBe(7 * day + 1)
    expect([...codes]).toEqual(['OCCURRED_AT_TOO_OLD'])
  })

  it('accept an event five minutes ahead, and add a warning one millisecond further', async () => {
    const { results, codes } = await around(harness.newKey(), 300_000)
    expect(Math.min(...agesOf(results, false))).toBe(-300_000)
    expect(Math.max(...agesOf(results, true))).toBe(-300_001)
    expect([...codes]).toEqual(['OCCURRED_AT_IN_FUTURE'])
  })

  it('allow historical events of any age, but still warn about the future', async () => {
    const key = harness.newKey({ may_import_history: true, event_age_max_s: 60 })
    const path = '/v1/events?historical=true'
    expect(agesOf((await around(key, -60_000, path)).results, true)).toEqual([])
    expect(agesOf((await around(key, 300_000, path)).results, true)).not.toEqual([])
  })

  it('correct a clock skew of 30 s to 48 hours in both directions', async () => {
    const key = harness.newKey({ may_import_history: true })
    for (const [wrongMs, side] of [
      [-30_000, 'from'],
      [30_000, 'from'],
      [-2 * day, 'to'],
      [2 * day, 'to'],
    ] as const) {
      const seen = { shifted: [] as number[], left: [] as number[] }
      // One request for each millisecond of skew.
      for (let ms = -25; ms <= 25; ms++) {
        const timestamp = '2026-01-01T00:00:00.123456Z'
        const before = harness.gateway.records.length
        const sent_at = Date.now() - wrongMs - ms
        const { status } = await harness.post(
          key,
          { events: [{ event: 'a', timestamp }], sent_at },
          { path: '/v1/events?historical=true' },
        )
        expect(status).toBe(202)
        const { received_at, event } = JSON.parse(harness.gateway.records[before]?.value ?? '')
        const skewMs = Date.parse(received_at) - sent_at
        const shiftedMs = Date.parse(event.occurred_at) - Date.parse(timestamp)
        if (event.client_occurred_at === undefined) {
          expect(event.occurred_at).toBe(timestamp)
          seen.left.push(Math.abs(skewMs))
        } else {
          expect(event.client_occurred_at).toBe(timestamp)
          expect(shiftedMs).toBe(skewMs)
          expect(event.occurred_at).toMatch(/456Z$/)
          seen.shifted.push(Math.abs(skewMs))
        }
      }
      const bound = Math.abs(wrongMs)
      if (side === 'from') {
        expect(Math.max(...seen.left)).toBeLessThan(bound)
        expect(Math.min(...seen.shifted)).toBeGreaterThanOrEqual(bound)
      } else {
        expect(Math.max(...seen.shifted)).toBeLessThanOrEqual(bound)
        expect(Math.min(...seen.left)).toBeGreaterThan(bound)
      }
    }
  })
})
