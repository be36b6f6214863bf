import type { KeyRecord } from '../../contract/api-key.ts'
import { SYNONYMS } from '../../contract/event/event.ts'
import { trustClassOf } from '../../contract/event/trust-class.ts'
import { derivedEventId, uuidV7Series } from '../../contract/event/uuid.ts'
import type { IncomingBatch } from '../formats/ingest-format.ts'

export interface IdSource {
  batch: Pick<IncomingBatch, 'items'>
  receivedMs: number
  /** The index in the request of the first event. */
  firstIndex: number
  idempotency: IdempotencySource | undefined
}

export interface IdempotencySource {
  key: string
  /** What was sent: a digest of the whole body, or the event's own line. @param index in the batch */
  contentOf(index: number): string
}

/**
 * Ids for events that came without: from the Idempotency-Key and what was sent, so that a retry gives the same
 * ones, else new. A derived id costs a digest, so one is made only where the client chose none.
 */
export async function chooseEventIds(
  { tenant, kind }: Pick<KeyRecord, 'tenant' | 'kind'>,
  { batch, receivedMs, firstIndex, idempotency }: IdSource,
): Promise<(index: number) => string> {
  if (idempotency === undefined) return uuidV7Series(receivedMs)
  const shared = { tenant, trust: trustClassOf(kind), idempotencyKey: idempotency.key }
  const ids = await Promise.all(
    batch.items.map(({ raw }, i) => {
      if (hasId(raw)) return ''
      const content = idempotency.contentOf(i)
      return derivedEventId({ ...shared, index: firstIndex + i, content })
    }),
  )
  return (index) => ids[index] as string
}

function hasId(raw: unknown): boolean {
  if (raw === null || typeof raw !== 'object') return false
  return SYNONYMS.event_id.some((name) => Object.hasOwn(raw, name) && (raw as Ids)[name] != null)
}

type Ids = Partial<Record<(typeof SYNONYMS.event_id)[number], unknown>>
