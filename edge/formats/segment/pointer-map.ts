/** Where the parts of a message stand in the event that was made of it, as JSON pointers. */
export interface Places {
  /** What lies within a place that was told before is told after it. @param from in the message @param to in the event */
  moved(from: string, to: string): void
  /** From a pointer into the event to one into the message. */
  theirs(pointer: string): string
  /** The other way. */
  ours(pointer: string): string
}

export function createPlaces(): Places {
  const moves: { from: string; to: string }[] = []
  return {
    moved: (from, to) => void moves.push({ from, to }),
    theirs(pointer) {
      const move = moves.findLast(({ to }) => lies(pointer, to))
      return move ? move.from + pointer.slice(move.to.length) : pointer
    },
    ours(pointer) {
      const move = moves.findLast(({ from }) => lies(pointer, from))
      return move ? move.to + pointer.slice(move.from.length) : pointer
    },
  }
}

function lies(pointer: string, place: string): boolean {
  return pointer === place || pointer.startsWith(`${place}/`)
}
