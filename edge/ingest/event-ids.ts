import { SYNONYMS } from '../../contract/event/event.ts'
import { derivedEventId, uuidV7Series } from '../../contract/event/uuid.ts'
import type { IncomingBatch } from '../formats/ingest-format.ts'

export interface IdSource {
  batch: Pick<IncomingBatch, 'items'>
  receivedMs: number
  /** The index in the request of the first event. */
  firstIndex: number
  idempotencyKey: string | undefined
}

/**
 * Ids for events that came without: from the Idempotency-Key, so that a retry gives the same ones, else
 * new. A derived id costs a digest, so one is made only where the client chose none.
 */
export async function chooseEventIds(
  tenant: string,
  { batch, receivedMs, firstIndex, idempotencyKey }: IdSource,
): Promise<(index: number) => string> {
  if (idempotencyKey === undefined) return uuidV7Series(receivedMs)
  const ids = await Promise.all(
    batch.items.map(({ raw }, i) =>
      hasId(raw) ? '' : derivedEventId(tenant, idempotencyKey, firstIndex + i),
    ),
  )
  return (index) => ids[index] as string
}

function hasId(raw: unknown): boolean {
  if (raw === null || typeof raw !== 'object') return false
  return SYNONYMS.event_id.some((name) => Object.hasOwn(raw, name) && (raw as Ids)[name] != null)
}

type Ids = Partial<Record<(typeof SYNONYMS.event_id)[number], unknown>>
