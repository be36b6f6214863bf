import type { KeyRecord } from '../../contract/api-key.ts'
import type { StampedEvent } from '../../contract/log/record.ts'
import type { EdgeHarness } from './edge-harness.ts'

/** A record as the stub gateway accepted it; an invalid event has `refused` instead of `event`. */
export interface SourceRecord extends StampedEvent {
  refused?: { code: string; pointer: string; detail: string }[]
}

/** A sender with its own key and tenant, and the records that arrived from it. */
export function createSource(harness: EdgeHarness, record: Partial<KeyRecord> = {}) {
  const { key, record: keyRecord } = harness.gateway.addKey(record)
  const records = (): SourceRecord[] =>
    harness.gateway.records
      .map(({ value }) => JSON.parse(value) as SourceRecord)
      .filter(({ tenant }) => tenant === keyRecord.tenant)
  return {
    key,
    /** In the order of the log. */
    records,
    events: () => records().flatMap(({ event, refused }) => (refused ? [] : [event])),
    deadLetters: () => records().filter(({ refused }) => refused),
  }
}
