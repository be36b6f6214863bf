import { isObject } from '../../../contract/json/is-object.ts'
import { pointerTo } from '../../../contract/json/json.ts'
import type { PointerMap } from './pointer-map.ts'

export type Fields = Record<string, unknown>

/** Our name, the value, and where the client's event has it: a member's name, or a whole pointer. */
export type Member = readonly [name: string, value: unknown, from: string | { pointer: string }]

/**
 * Adds members to an object that the client sent. Where that name is taken, the added one gets an
 * underscore: nothing is lost.
 * @param at the object's pointer in our event
 * @param from pointer of the object in the client's event that members without a pointer are in
 * @returns anything but an object unchanged; `normalise` reports its error
 */
export function addMembers(
  sent: unknown,
  members: readonly Member[],
  at: string,
  pointerMap: PointerMap,
  from = '',
): unknown {
  if (sent != null && !isObject(sent)) return sent
  const names = createNames(Object.keys(sent ?? {}))
  const added: [string, unknown][] = []
  for (const [wanted, value, theirs] of members) {
    if (value === undefined || (names.has(wanted) && sent?.[wanted] === value)) continue
    const name = names.take(wanted)
    added.push([name, value])
    const pointer = typeof theirs === 'string' ? from + pointerTo([theirs]) : theirs.pointer
    pointerMap.add(pointer, at + pointerTo([name]))
  }
  // Not by assignment: a member called __proto__ is to be rejected, not applied.
  return { ...sent, ...Object.fromEntries(added) }
}

/**
 * The names of an object. `take` gives the wanted name, or that with an underscore before it; where that is taken too,
 * with one more underscore than any has: names are not tried one after the other, since a stranger's object may hold
 * a thousand of them.
 */
function createNames(taken: readonly string[]) {
  const names = new Set(taken)
  let longest: Map<string, number> | undefined
  const count = (name: string) => {
    const bare = withoutUnderscores(name)
    const most = Math.max(longest?.get(bare) ?? 0, name.length - bare.length)
    longest?.set(bare, most)
  }
  const choose = (wanted: string) => {
    if (!names.has(wanted)) return wanted
    if (!names.has(`_${wanted}`)) return `_${wanted}`
    if (!longest) {
      longest = new Map()
      names.forEach(count)
    }
    const bare = withoutUnderscores(wanted)
    return '_'.repeat((longest.get(bare) ?? 0) + 1) + bare
  }
  return {
    has: (name: string) => names.has(name),
    take(wanted: string): string {
      const name = choose(wanted)
      names.add(name)
      if (longest) count(name)
      return name
    },
  }
}

function withoutUnderscores(name: string): string {
  return name.replace(/^_+/, '')
}
