/** Where the parts of a message stand in the event that was made of it, as JSON pointers. */
export interface Places {
  /** @param from in the message @param to in the event */
  moved(from: string, to: string): void
  /** From a pointer into the event to one into the message. */
  theirs(pointer: string): string
  /** The other way. */
  ours(pointer: string): string
}

export function createPlaces(): Places {
  const moves: [from: string, to: string][] = []
  return {
    moved: (from, to) => void moves.push([from, to]),
    theirs: (pointer) =>
      follow(
        pointer,
        moves.map(([from, to]) => [to, from]),
      ),
    ours: (pointer) => follow(pointer, moves),
  }
}

/** The longest place that holds it counts: /context/integrations/All before /context. */
function follow(pointer: string, moves: [string, string][]): string {
  let best: [string, string] = ['', '']
  for (const move of moves) {
    const [place] = move
    if (place.length <= best[0].length) continue
    if (pointer === place || pointer.startsWith(`${place}/`)) best = move
  }
  return best[1] + pointer.slice(best[0].length)
}
