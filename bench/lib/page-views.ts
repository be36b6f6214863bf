import { uuidV7 } from '../../contract/event/uuid.ts'
import { partitionFor } from '../../contract/log/partitioner.ts'
import { recordEncoder } from '../../contract/log/record.ts'
import { recordKey, TOPICS } from '../../contract/log/topics.ts'
import type { NewRecord } from '../../core/log/log.ts'

const PATHS = [
  '/products/outdoor/backpack-24l',
  '/products/shoes/trail-runner',
  '/blog/2026/autumn-sale',
]
const REFERRERS = [
  'https://www.example.com/search?q=backpack',
  'https://news.example.org/item/48151',
]
const BROWSERS = ['Firefox 145', 'Chrome 142', 'Safari 26']
const COUNTRIES = ['DE', 'US', 'FR', 'JP', 'BR']
const WIDTHS = [1920, 1440, 390, 2560]
const KEY_ID = '0192a1b2-0000-7000-8000-00000000000a'

/** Of the list, at random by its number, and always the same. */
function pick<T>(list: readonly T[], i: number, salt: number): T {
  const mixed = Math.imul(i + 1, 0x9e37_79b1 ^ Math.imul(salt, 0x85eb_ca6b)) >>> 0
  return list[(mixed >>> 8) % list.length] as T
}

/** A page view of some 300 bytes as JSON: an id of its own, five properties, one of 5,000 visitors. */
export function pageView(i: number, now: number) {
  // A library that sends in batches gathers events for a while, and gives them their ids when they happen.
  const at = now - 40 - 20 * (i % 500)
  return {
    event_id: uuidV7(at),
    name: 'page_view',
    occurred_at: new Date(at).toISOString(),
    actor: `user-${(Math.imul(i + 1, 0x9e37_79b1) >>> 8) % 5_000}`,
    properties: {
      path: pick(PATHS, i, 1),
      referrer: pick(REFERRERS, i, 2),
      browser: pick(BROWSERS, i, 3),
      country: pick(COUNTRIES, i, 4),
      screen_width: pick(WIDTHS, i, 5),
    },
  }
}

/** What the edge logs for one request of the tenant `bench` with these many page views. */
export function pageViewRequest(first: number, count: number): NewRecord[] {
  const now = Date.now()
  const encoder = recordEncoder({
    v: 1,
    tenant: 'bench',
    key: KEY_ID,
    request_id: crypto.randomUUID(),
    received_at: new Date(now).toISOString(),
    edge: 'local',
    route: 'events',
    client: 'node',
  })
  return Array.from({ length: count }, (_, n) => {
    const event = pageView(first + n, now)
    const key = Buffer.from(recordKey('bench', event))
    const value = Buffer.from(encoder.event(JSON.stringify(event)))
    return { key, value, partition: partitionFor(key, TOPICS.raw.partitions) }
  })
}
