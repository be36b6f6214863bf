import type { KeyRecord } from '../../contract/api-key.ts'
import type { StampedEvent } from '../../contract/log/record.ts'
import type { World } from './edge-harness.ts'

/** A record as the stub gateway took it; a refused one has no event but these. */
export interface TakenRecord extends StampedEvent {
  refused?: { code: string; pointer: string; detail: string }[]
}

/** Somebody who sends, with a key and a tenant of their own, and what arrived of theirs. */
export function createSource(world: World, record: Partial<KeyRecord> = {}) {
  const { key, record: known } = world.gateway.addKey(record)
  const taken = (): TakenRecord[] =>
    world.gateway.taken
      .map(({ value }) => JSON.parse(value) as TakenRecord)
      .filter(({ tenant }) => tenant === known.tenant)
  return {
    key,
    /** In the order in which the log has them. */
    taken,
    events: () => taken().flatMap(({ event, refused }) => (refused ? [] : [event])),
    dead: () => taken().filter(({ refused }) => refused),
  }
}
