import type { ResultOf } from 'gql.tada'
import { execute, type Result } from '../../lib/api/client.ts'
import { EVENT, type StoredEvent } from '../../lib/api/documents.ts'
import { graphql } from '../../lib/api/graphql.ts'

const FIND = graphql(
  `
    query FindEvent($tenant: ID!, $text: ID!, $key: String!) {
      receipt(tenant: $tenant, eventId: $text) {
        eventId outcome trustClass processedAt hasMoreDuplicates
        accepted { at requestId keyId keyName partition offset }
        stored { day countedBy { metric kind version bucket } }
        duplicates { receivedAt requestId keyId conflicting partition offset }
        deadLetters { id reason state format receivedAt deadAt requestId partition offset }
        removed { day droppedAt }
        notFound { reason since recordsInFlight inFlightSince }
      }
      ofKey: events(tenant: $tenant, idempotencyKey: $key, first: 50) {
        edges { node { ...StoredEvent } }
        pageInfo { hasNextPage }
      }
      ofRequest: events(tenant: $tenant, requestId: $key, first: 50) {
        edges { node { ...StoredEvent } }
        pageInfo { hasNextPage }
      }
    }
  `,
  [EVENT],
)
export type Receipt = ResultOf<typeof FIND>['receipt']

/** Events of one request. */
export interface RequestEvents {
  /** What the searched text is. */
  by: 'Idempotency-Key' | 'request id'
  events: StoredEvent[]
  hasMore: boolean
}

export interface Found {
  /** Also where nothing is found: it has the reason. */
  receipt: Receipt
  request: RequestEvents | undefined
}

/** Looks for a text as event id, Idempotency-Key and request id. */
export async function find(variables: { tenant: string; text: string }): Promise<Result<Found>> {
  const result = await execute(FIND, { ...variables, key: variables.text })
  if (!result.ok) return result
  const { receipt, ofKey, ofRequest } = result.data
  const request = requestEvents('Idempotency-Key', ofKey) ?? requestEvents('request id', ofRequest)
  return { ok: true, data: { receipt, request } }
}

function requestEvents(
  by: RequestEvents['by'],
  { edges, pageInfo }: ResultOf<typeof FIND>['ofKey'],
): RequestEvents | undefined {
  if (edges.length === 0) return undefined
  return { by, events: edges.map(({ node }) => node), hasMore: pageInfo.hasNextPage }
}
