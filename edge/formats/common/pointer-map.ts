/** Maps JSON pointers between a message and the event that was made of it. */
export interface PointerMap {
  /** What lies within an earlier entry is added after it. @param from in the message @param to in the event */
  add(from: string, to: string): void
  /** From a pointer into the event to one into the message. */
  toMessage(pointer: string): string
  /** From a pointer into the message to one into the event. */
  toEvent(pointer: string): string
}

export function createPointerMap(): PointerMap {
  const entries: { from: string; to: string }[] = []
  return {
    add: (from, to) => void entries.push({ from, to }),
    toMessage(pointer) {
      const entry = entries.findLast(({ to }) => isWithin(pointer, to))
      return entry ? entry.from + pointer.slice(entry.to.length) : pointer
    },
    toEvent(pointer) {
      const entry = entries.findLast(({ from }) => isWithin(pointer, from))
      return entry ? entry.to + pointer.slice(entry.from.length) : pointer
    },
  }
}

function isWithin(pointer: string, parent: string): boolean {
  return pointer === parent || pointer.startsWith(`${parent}/`)
}
