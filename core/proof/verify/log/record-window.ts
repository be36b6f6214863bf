/** What is expected of the records of some offsets, and what became of them: five bytes a record. */
export interface RecordWindow {
  partition: number
  from: number
  to: number
  /** Of the event that the record holds. */
  hashes: Int32Array
  states: Uint8Array
}

export const STATE = {
  /** The log has no record there. */
  none: 0,
  /** It holds an event. */
  event: 1,
  /** It cannot be an event: it has to be a dead letter. */
  dead: 2,
  /** The event is stored. */
  stored: 3,
  /** Of a tenant, or of a time, that is not verified. */
  ignored: 4,
} as const

export function createWindow(partition: number, from: number, to: number): RecordWindow {
  return {
    ...{ partition, from, to },
    hashes: new Int32Array(to - from),
    states: new Uint8Array(to - from),
  }
}

/** Records that are not stored under their own offset, as the first and the last of them; undefined: all are. */
export function openRange({
  states,
  from,
}: RecordWindow): { from: number; to: number } | undefined {
  const isOpen = (state: number) => state === STATE.event || state === STATE.dead
  const first = states.findIndex(isOpen)
  return first < 0 ? undefined : { from: from + first, to: from + states.findLastIndex(isOpen) + 1 }
}
