import { partitionFor } from '../../contract/log/partitioner.ts'
import { recordEncoder } from '../../contract/log/record.ts'
import { recordKey, TOPICS } from '../../contract/log/topics.ts'
import type { NewRecord } from '../../core/log/log.ts'
import { pageView } from './page-views.ts'

const PLATFORMS = [
  'Windows NT 10.0; Win64; x64',
  'Macintosh; Intel Mac OS X 10_15_7',
  'Linux; Android 10; K',
  'X11; Linux x86_64',
]
const PLACES = [
  { country: 'DE', region: 'DE-BE', city: 'Berlin' },
  { country: 'US', region: 'US-TX', city: 'Austin' },
  { country: 'BR', region: 'BR-SP', city: 'São Paulo' },
  { country: 'JP', region: 'JP-13', city: 'Tokyo' },
]
const URLS = [
  'https://shop.example/products/outdoor/backpack-24l?utm_source=newsletter&utm_medium=email&utm_campaign=autumn',
  'https://shop.example/blog/2026/autumn-sale?page=2',
]

/**
 * Page views as a browser's edge logs them, each a request of its own, for the tenant `bench`.
 * @param userAgents how many different ones; 0: the record has nothing about the visitor, as where nothing is declared
 */
export function visits(count: number, userAgents: number): NewRecord[] {
  const now = Date.now()
  return Array.from({ length: count }, (_, i) => {
    const browser = userAgents === 0 ? 0 : i % userAgents
    const event = pageView(i, now)
    const encoder = recordEncoder({
      v: 1,
      tenant: 'bench',
      key: '0192a1b2-0000-7000-8000-00000000000a',
      request_id: crypto.randomUUID(),
      received_at: new Date(now).toISOString(),
      edge: 'local',
      route: 'events',
      client: 'sluice.js',
      trust: 'public',
      ...(userAgents > 0 && { ua: userAgent(browser), geo: PLACES[i % PLACES.length] ?? {} }),
    })
    const properties = { ...event.properties, url: URLS[i % URLS.length] }
    const key = Buffer.from(recordKey('bench', event))
    const value = Buffer.from(encoder.event(JSON.stringify({ ...event, properties })))
    return { key, value, partition: partitionFor(key, TOPICS.raw.partitions) }
  })
}

function userAgent(i: number): string {
  const version = `${100 + (i % 43)}.0.${Math.floor(i / 43)}.0`
  return `Mozilla/5.0 (${PLATFORMS[i % PLATFORMS.length]}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version} Safari/537.36`
}
