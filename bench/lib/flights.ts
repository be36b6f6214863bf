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

/** Which tenant a flight is of, and what its event is called. */
type Naming = (i: number) => { tenant: string; name: string }

/**
 * Real flights as records of the edge for the tenant `bench`.
 * @param repeated share of flights with the id of the flight before
 */
export function flights(count: number, repeated = 0): FlightRecord[] {
  const every = repeated > 0 ? Math.round(1 / repeated) : Number.POSITIVE_INFINITY
  const flight = createFlights((i) => ({ tenant: 'bench', name: `flight_${i % 12}` }))
  return Array.from({ length: count }, (_, i) => flight(i, i % every === every - 1 ? i - 1 : i))
}

/** The same for any tenants and names, a part at a time: ten million at once would not fit into memory. */
export function* flightsInParts(
  count: number,
  size: number,
  naming: Naming,
): Generator<FlightRecord[]> {
  const flight = createFlights(naming)
  for (let from = 0; from < count; from += size)
    yield Array.from({ length: Math.min(size, count - from) }, (_, n) => flight(from + n))
}

/** @returns makes the record of flight `i`, with the id of flight `idOf` */
function createFlights(naming: Naming): (i: number, idOf?: number) => FlightRecord {
  const file = new URL('../../node_modules/vega-datasets/data/flights-200k.json', import.meta.url)
  const rows = JSON.parse(readFileSync(file, 'utf8')) as {
    delay: number
    distance: number
    time: number
  }[]
  const received_at = new Date().toISOString()
  const now = Date.now()
  const key_id = uuidV7(now)
  let last = { i: -1, id: '' }
  const encoders = new Map<string, ReturnType<typeof recordEncoder>>()
  const encoderOf = (tenant: string) => {
    const known = encoders.get(tenant)
    if (known) return known
    const encoder = recordEncoder({
      v: 1,
      tenant,
      key: key_id,
      request_id: 'bench',
      received_at,
      edge: 'bench',
      route: 'events',
      client: 'bench/1',
    })
    encoders.set(tenant, encoder)
    return encoder
  }

  return (i, idOf = i) => {
    const { delay, distance, time } = rows[i % rows.length] as (typeof rows)[number]
    const { tenant, name } = naming(i)
    // An id is repeated by the next flight, if at all.
    const id = idOf === last.i ? last.id : uuidV7(now + Math.floor(i / 100))
    last = { i, id }
    const event = {
      event_id: id,
      name,
      occurred_at: new Date(now - (i % 4) * 900_000).toISOString(),
      actor: `plane-${Math.floor(i / 2) % 4_000}`,
      value: delay,
      properties: {
        distance,
        time,
        route: `${distance}-${Math.floor(time)}`,
        delayed: delay > 15,
        carrier: 'AA',
      },
    }
    const json = encoderOf(tenant).event(JSON.stringify(event))
    const key = Buffer.from(recordKey(tenant, event))
    return { key, value: Buffer.from(json), partition: partitionFor(key, TOPICS.raw.partitions) }
  }
}
