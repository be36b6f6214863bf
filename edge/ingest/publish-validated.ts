import { idempotencyHash } from '../../contract/event/idempotency-hash.ts'
import { trustClassOf } from '../../contract/event/trust-class.ts'
import type { ProduceRecord } from '../../contract/log/kafka-rest.ts'
import type { AuthenticatedRequest } from '../auth/authenticate.ts'
import type { InvalidItem, PublishedEvent } from '../formats/ingest-format.ts'
import type { PartitionOffset, Publish } from '../publish/publisher.ts'
import { buildRecords } from './build-records.ts'
import type { EventChunk, ValidationResult } from './validate-events.ts'
import type { GeoOf } from './visitor.ts'

export interface PublishDeps {
  publish: Publish
  /** Which edge this is; travels with every record. */
  edgeNameOf: (request: Request) => string
  /** Without it no location is known. */
  geoOf?: GeoOf | undefined
}

/**
 * Publishes the accepted events and the dead letters of a chunk in one request to the log.
 * @returns the accepted events with their offsets, by index in the request
 * @throws LOG_UNAVAILABLE, BODY_TOO_LARGE
 */
export async function publishValidated(
  request: AuthenticatedRequest,
  chunk: EventChunk,
  validated: Pick<ValidationResult, 'accepted' | 'warnings'>,
  deadLetters: readonly InvalidItem[],
  route: string,
  { publish, edgeNameOf, geoOf }: PublishDeps,
): Promise<PublishedEvent[]> {
  const edge = edgeNameOf(request.c.req.raw)
  const { key } = request
  const idempotency =
    chunk.idempotency &&
    (await idempotencyHash(key.tenant, trustClassOf(key.kind), chunk.idempotency.key))
  const records: ProduceRecord[] = buildRecords(request, chunk, validated, deadLetters, {
    route,
    edge,
    geoOf,
    idempotency,
  })
  const offsets = records.length === 0 ? [] : await publish(records)
  return validated.accepted.map(({ index, event }, i) => {
    const { partition, offset } = offsets[i] as PartitionOffset
    return { index: chunk.firstIndex + index, event, partition, offset }
  })
}
