import { expect, it } from 'vitest'
import { amplitude } from './amplitude/format.ts'
import type { IngestFormat } from './ingest-format.ts'
import { mixpanelTrack } from './mixpanel/format.ts'
import { createSegmentFormat } from './segment/format.ts'

/** Bodies are read before their key is known. */
const read = (format: IngestFormat, text: string) =>
  format.read({
    bytes: new TextEncoder().encode(text),
    request: new Request('http://edge/', { method: 'POST' }),
    receivedMs: 0,
    text: () => text,
  })

/** An event's members, of which every eighth is a number that a double cannot hold. */
const members = (count: number) =>
  Array.from({ length: count }, (_, i) => `"k${i}":${i % 8 ? 1 : '1e400'}`).join()

const FORMATS: readonly [string, IngestFormat, (members: string) => string][] = [
  ['Mixpanel', mixpanelTrack, (all) => `{"event":"a","properties":{${all}}}`],
  ['Amplitude', amplitude, (all) => `{"events":[{"event_type":"a",${all}}]}`],
  ['Segment, one message', createSegmentFormat('track'), (all) => `{"event":"a",${all}}`],
  ['Segment, a batch', createSegmentFormat(), (all) => `{"batch":[{"event":"a",${all}}]}`],
]

it.each(FORMATS)(
  'an event of %s with many bad numbers among many members reports twenty of them',
  async (_, format, bodyOf) => {
    const { items } = await read(format, bodyOf(members(200)))
    const [item] = items
    expect(item?.badNumbers).toHaveLength(20)
    expect(item?.badNumbers.map(({ pointer }) => item.clientPointer?.(pointer))).toEqual(
      Array.from({ length: 20 }, (_, i) => expect.stringMatching(new RegExp(`/k${i * 8}$`))),
    )
  },
)
