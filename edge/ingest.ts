import { encodeRecord, type StampedEvent } from '../contract/record.ts'
import { recordKey, TOPICS } from '../contract/topics.ts'
import { derivedEventId, uuidV7 } from '../contract/uuid.ts'
import { answerFor, refuseAll } from './answer.ts'
import type { EdgeContext, IncomingEvents } from './context.ts'
import { judge } from './judge.ts'
import type { Publish } from './publish.ts'
import { respond } from './respond.ts'

export interface IngestDeps {
  publish: Publish
  nameOf: (request: Request) => string
  now: () => number
}

/** Stamp, publish, 202. */
export function ingest({ publish, nameOf, now }: IngestDeps) {
  return async (c: EdgeContext) => {
    const receivedMs = now()
    const key = c.get('key')
    const incoming = c.get('events')
    const receivedAt = new Date(receivedMs).toISOString()
    const judged = judge(incoming.items, {
      receivedMs,
      receivedAt,
      eventAgeMaxMs: c.get('historical') ? Number.POSITIVE_INFINITY : key.event_age_max_s * 1000,
      eventId: await chooseIds(c, incoming, receivedMs),
    })
    if (judged.accepted.length === 0) throw refuseAll(incoming.single, judged.errors)

    const stamp: Omit<StampedEvent, 'event'> = {
      v: 1,
      tenant: key.tenant,
      key: key.key_id,
      request_id: c.get('requestId'),
      received_at: receivedAt,
      edge: nameOf(c.req.raw),
      historical: c.get('historical') || undefined,
    }
    const positions = await publish(
      judged.accepted.map(({ event, json }) => ({
        topic: TOPICS.raw.name,
        key: recordKey(key.tenant, event),
        value: encodeRecord(stamp, json),
      })),
    )
    const answer = JSON.stringify(answerFor(c.get('requestId'), incoming, judged, positions))
    c.set('answer', answer)
    return respond(c, 202, 'application/json', answer)
  }
}

/** Ids for events that came without: from the Idempotency-Key, so that a retry gives the same ones, else new. */
async function chooseIds(
  c: EdgeContext,
  { items }: IncomingEvents,
  receivedMs: number,
): Promise<(index: number) => string> {
  const idempotencyKey = c.get('idempotencyKey')
  if (idempotencyKey === undefined) return () => uuidV7(receivedMs)
  const { tenant } = c.get('key')
  const ids = await Promise.all(
    items.map((_, index) => derivedEventId(tenant, idempotencyKey, index)),
  )
  return (index) => ids[index] as string
}
