import type { TrustClass } from '../../../contract/event/trust-class.ts'
import type { Database } from '../../db/database.ts'
import { eventUuid } from '../../db/event-uuid.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { checkText } from '../../lib/check-text.ts'
import type { QueryResult } from '../query-result.ts'
import { findEvent } from '../sql/find-event.ts'
import { findReceipt, type Receipt } from './parts/find-receipt.ts'
import { readInFlight } from './parts/in-flight.ts'
import { findDroppedDayOfId, readKnownSince } from './parts/known-since.ts'
import { findDeadLetters } from './parts/repetitions.ts'

export interface ReceiptArgs {
  /** The client's own, or the UUID, in either case. */
  eventId: string
  /** Both unless given; then a server's event comes first, as everywhere. */
  trustClass?: TrustClass | null | undefined
}

/** @returns one row, also where nothing is found */
export async function receipt(
  db: Database,
  viewer: TenantViewer,
  { eventId, trustClass }: ReceiptArgs,
): Promise<QueryResult<Receipt>> {
  checkText('eventId', eventId)
  const classes: readonly TrustClass[] = trustClass ? [trustClass] : ['server', 'public']
  const keys = new Map(classes.map((trust) => [eventUuid(eventId, trust), trust]))
  const found = await findReceipt(db, viewer, { eventId, keys })
  const row = found ?? (await notFound(db, viewer, eventId, trustClass ?? undefined))
  return { rows: [row], source: 'raw', dependencies: null }
}

async function notFound(
  db: Database,
  viewer: TenantViewer,
  eventId: string,
  trustClass: TrustClass | undefined,
): Promise<Receipt> {
  const known = await readKnownSince(db, viewer)
  const removed = await findDroppedDayOfId(db, eventId, known)
  const other = trustClass && eventUuid(eventId, trustClass === 'public' ? 'server' : 'public')
  const isOther =
    other !== undefined &&
    ((await findEvent(db, viewer, [other])) !== undefined ||
      (await findDeadLetters(db, viewer, [other])).length > 0)
  const reason = isOther ? 'OTHER_TRUST_CLASS' : removed ? 'OLDER_THAN_KEPT' : 'NEVER_SEEN'
  return {
    eventId,
    outcome: 'NOT_FOUND',
    ...{ trust: null, accepted: null, processedAt: null, stored: null },
    ...{ duplicates: [], hasMoreDuplicates: false, deadLetters: [], removed },
    notFound: { reason, ...known, inFlight: await readInFlight(db, viewer) },
  }
}
