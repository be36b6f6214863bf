import { readFileSync } from 'node:fs'
import { uuidV7 } from '../../contract/event/uuid.ts'
import { partitionFor } from '../../contract/log/partitioner.ts'
import { recordEncoder } from '../../contract/log/record.ts'
import { recordKey, TOPICS } from '../../contract/log/topics.ts'

export interface FlightRecord {
  partition: number
  key: Buffer
  value: Buffer
}

/**
 * Real flights as records of the edge for the tenant `bench`.
 * @param repeated share of flights with the id of the flight before
 */
export function flights(count: number, repeated = 0): FlightRecord[] {
  const file = new URL('../../node_modules/vega-datasets/data/flights-200k.json', import.meta.url)
  const rows = JSON.parse(readFileSync(file, 'utf8')) as {
    delay: number
    distance: number
    time: number
  }[]
  const every = repeated > 0 ? Math.round(1 / repeated) : Number.POSITIVE_INFINITY
  const received_at = new Date().toISOString()
  const now = Date.now()
  const ids: string[] = []
  return Array.from({ length: count }, (_, i) => {
    const { delay, distance, time } = rows[i % rows.length] as (typeof rows)[number]
    const actor = `plane-${Math.floor(i / 2) % 4_000}`
    ids.push(i % every === every - 1 ? (ids[i - 1] as string) : uuidV7(now + Math.floor(i / 100)))
    const event = {
      event_id: ids[i] as string,
      name: `flight_${i % 12}`,
      occurred_at: new Date(now - (i % 4) * 900_000).toISOString(),
      actor,
      value: delay,
      properties: {
        distance,
        time,
        route: `${distance}-${Math.floor(time)}`,
        delayed: delay > 15,
        carrier: 'AA',
      },
    }
    const json = recordEncoder({
      v: 1,
      tenant: 'bench',
      key: ids[0] as string,
      request_id: 'bench',
      received_at,
      edge: 'bench',
      route: 'events',
      client: 'bench/1',
    }).event(JSON.stringify(event))
    const key = Buffer.from(recordKey('bench', event))
    return { key, value: Buffer.from(json), partition: partitionFor(key, TOPICS.raw.partitions) }
  })
}
