/** Maps JSON pointers between a message and the event that was made of it. */
export interface PointerMap {
  /** The innermost entry that a pointer lies within maps it; of two for the same pointer, the later one. @param from in the message @param to in the event */
  add(from: string, to: string): void
  /** From a pointer into the event to one into the message. */
  toMessage(pointer: string): string
  /** From a pointer into the message to one into the event. */
  toEvent(pointer: string): string
}

export function createPointerMap(): PointerMap {
  const entries: [from: string, to: string][] = []
  // Built with the first look-up: most events have no errors, and need none.
  let toEvent: Map<string, string> | undefined
  let toMessage: Map<string, string> | undefined
  return {
    add(from, to) {
      entries.push([from, to])
      toEvent = undefined
      toMessage = undefined
    },
    toMessage(pointer) {
      toMessage ??= new Map(entries.map(([from, to]) => [to, from]))
      return mapPointer(pointer, toMessage)
    },
    toEvent(pointer) {
      toEvent ??= new Map(entries)
      return mapPointer(pointer, toEvent)
    },
  }
}

/** By its steps, not by the entries: an event may have tens of thousands of members, and a pointer to each. */
function mapPointer(pointer: string, entries: ReadonlyMap<string, string>): string {
  for (let end = pointer.length; end >= 0; end = pointer.lastIndexOf('/', end - 1)) {
    const mapped = entries.get(pointer.slice(0, end))
    if (mapped !== undefined) return mapped + pointer.slice(end)
    if (end === 0) break
  }
  return pointer
}
