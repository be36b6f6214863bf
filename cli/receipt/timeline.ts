interface LogPosition {
  partition: number
  offset: string
}

/** A receipt as GraphQL returns it. */
export interface ReceiptNode {
  eventId: string | null
  outcome: 'STORED' | 'DEAD' | 'REMOVED' | 'NOT_FOUND'
  trustClass: string | null
  processedAt: string | null
  hasMoreDuplicates: boolean
  accepted:
    | (LogPosition & {
        at: string
        requestId: string | null
        keyId: string | null
        keyName: string | null
      })
    | null
  stored: {
    day: string
    countedBy: { metric: string; kind: string; version: number; bucket: string }[]
  } | null
  duplicates: (LogPosition & {
    receivedAt: string
    processedAt: string
    requestId: string | null
    conflicting: boolean
  })[]
  deadLetters: (LogPosition & {
    id: string
    reason: string
    state: string
    receivedAt: string
    deadAt: string
    requestId: string | null
  })[]
  removed: { day: string; droppedAt: string } | null
  notFound: {
    reason: 'NEVER_SEEN' | 'OTHER_TRUST_CLASS' | 'OLDER_THAN_KEPT'
    since: string
    recordsInFlight: number
    inFlightSince: string | null
  } | null
}

type Row = [time: string, what: string, details: string]

const inLog = ({ partition, offset }: LogPosition) => `events.raw ${partition}:${offset}`
const named = (name: string, value: string | null) => (value === null ? [] : [`${name} ${value}`])

/** Rows of a table, in the order of what happened. */
export function toTimeline(receipt: ReceiptNode): Row[] {
  const { accepted, stored, removed, notFound } = receipt
  const rows: Row[] = []
  if (accepted) {
    const { at, requestId, keyName, keyId } = accepted
    const details = [
      ...named('trust class', receipt.trustClass?.toLowerCase() ?? null),
      ...named('request', requestId),
      ...named('key', keyName ?? keyId),
    ]
    rows.push([at, 'accepted', details.join(', ')], [at, 'in the log', inLog(accepted)])
  }
  if (stored) {
    const numbers = stored.countedBy.map(
      ({ metric, kind, version, bucket }) =>
        `${kind} ${metric}${kind === 'metric' ? ` (version ${version})` : ''} at ${bucket}`,
    )
    const details = `received on ${stored.day}; counted by ${numbers.join(', ')}`
    rows.push([receipt.processedAt ?? '', 'stored', details])
  }
  for (const { deadAt, id, reason, state, ...dead } of receipt.deadLetters)
    rows.push([deadAt, 'dead', `${reason}, dead letter ${id} (${state}), ${inLog(dead)}`])
  for (const { receivedAt, conflicting, requestId, ...again } of receipt.duplicates)
    rows.push([
      receivedAt,
      conflicting ? 'duplicate, other content' : 'duplicate',
      [...named('request', requestId), inLog(again)].join(', '),
    ])
  if (receipt.hasMoreDuplicates) rows.push(['', 'duplicate', 'and more'])
  if (receipt.outcome === 'REMOVED' || removed)
    rows.push([
      removed?.droppedAt ?? '',
      'removed',
      removed
        ? `by retention, with the day ${removed.day}`
        : 'by retention, on a day that is not recorded',
    ])
  if (notFound) rows.push(notFoundRow(notFound))
  return rows
}

function notFoundRow({
  reason,
  since,
  recordsInFlight,
  inFlightSince,
}: NonNullable<ReceiptNode['notFound']>): Row {
  const why = {
    NEVER_SEEN: `never seen since ${since}`,
    OTHER_TRUST_CLASS: 'an event of the other trust class has this id',
    OLDER_THAN_KEPT: 'the time in its id is older than what is kept',
  }[reason]
  const waiting =
    recordsInFlight === 0
      ? ''
      : `; ${recordsInFlight} records since ${inFlightSince} wait to be applied, it may be one of them`
  return ['', 'not found', why + waiting]
}
