import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'

const day = 86_400_000
/** The request may take most of a second to come in. */
const AROUND = Array.from({ length: 1_000 }, (_, i) => i - 50)

describeEdges('to the millisecond', (harness) => {
  /** Events around a moment of now; when the request came in is known only afterwards. */
  async function around(key: string, offsetMs: number, path = '/v1/events') {
    // So that the key is known.
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
    const judged = ages.map((ageMs, index) => ({ ageMs, warned: warned.has(index) }))
    return { judged, codes }
  }
  const agesOf = (judged: { ageMs: number; warned: boolean }[], warned: boolean) =>
    judged.filter((each) => each.warned === warned).map(({ ageMs }) => ageMs)

  it('an event as old as its key allows is taken as it is, one a millisecond older with a warning', async () => {
    const key = harness.newKey({ event_age_max_s: 7 * 86_400 })
    const { judged, codes } = await around(key, -7 * day)
    expect(Math.max(...agesOf(judged, false))).toBe(7 * day)
    expect(Math.min(...agesOf(judged, true))).toBe(7 * day + 1)
    expect([...codes]).toEqual(['OCCURRED_AT_TOO_OLD'])
  })

  it('an event five minutes ahead is taken as it is, one a millisecond further with a warning', async () => {
    const { judged, codes } = await around(harness.newKey(), 300_000)
    expect(Math.min(...agesOf(judged, false))).toBe(-300_000)
    expect(Math.max(...agesOf(judged, true))).toBe(-300_001)
    expect([...codes]).toEqual(['OCCURRED_AT_IN_FUTURE'])
  })

  it('history has no age, but the future stays the future', async () => {
    const key = harness.newKey({ may_import_history: true, event_age_max_s: 60 })
    const path = '/v1/events?historical=true'
    expect(agesOf((await around(key, -60_000, path)).judged, true)).toEqual([])
    expect(agesOf((await around(key, 300_000, path)).judged, true)).not.toEqual([])
  })

  it('a clock is wrong from 30 s on, and no longer than 48 hours, whichever way', async () => {
    const key = harness.newKey({ may_import_history: true })
    for (const [wrongMs, is] of [
      [-30_000, 'from'],
      [30_000, 'from'],
      [-2 * day, 'to'],
      [2 * day, 'to'],
    ] as const) {
      const seen = { shifted: [] as number[], left: [] as number[] }
      // One request a millisecond: each has a time of its own.
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
      if (is === 'from') {
        expect(Math.max(...seen.left)).toBeLessThan(bound)
        expect(Math.min(...seen.shifted)).toBeGreaterThanOrEqual(bound)
      } else {
        expect(Math.max(...seen.shifted)).toBeLessThanOrEqual(bound)
        expect(Math.min(...seen.left)).toBeGreaterThan(bound)
      }
    }
  })
})
