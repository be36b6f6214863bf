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
  const names = new Set(Object.keys(sent ?? {}))
  const added: [string, unknown][] = []
  for (const [wanted, value, theirs] of members) {
    if (value === undefined || (names.has(wanted) && sent?.[wanted] === value)) continue
    let name = wanted
    while (names.has(name)) name = `_${name}`
    names.add(name)
    added.push([name, value])
    const pointer = typeof theirs === 'string' ? from + pointerTo([theirs]) : theirs.pointer
    pointerMap.add(pointer, at + pointerTo([name]))
  }
  // Not by assignment: a member called __proto__ is to be rejected, not applied.
  return { ...sent, ...Object.fromEntries(added) }
}
