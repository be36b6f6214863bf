/** Where the parts of a message stand in the event that was made of it, as JSON pointers. */
export interface PointerMap {
  /** What lies within a place that was told before is told after it. @param from in the message @param to in the event */
  add(from: string, to: string): void
  /** From a pointer into the event to one into the message. */
  toMessage(pointer: string): string
  /** The other way. */
  toEvent(pointer: string): string
}

export function createPointerMap(): PointerMap {
  const moves: { from: string; to: string }[] = []
  return {
    add: (from, to) => void moves.push({ from, to }),
    toMessage(pointer) {
      const move = moves.findLast(({ to }) => isWithin(pointer, to))
      return move ? move.from + pointer.slice(move.to.length) : pointer
    },
    toEvent(pointer) {
      const move = moves.findLast(({ from }) => isWithin(pointer, from))
      return move ? move.to + pointer.slice(move.from.length) : pointer
    },
  }
}

function isWithin(pointer: string, place: string): boolean {
  return pointer === place || pointer.startsWith(`${place}/`)
}
