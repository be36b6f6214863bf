import { isObject } from '../../../contract/json/is-object.ts'
import type { Fields } from './add-members.ts'

export interface Renamed {
  sent: Fields
  /** A pointer into `sent` from one into what the client sent. */
  toRenamed(pointer: string): string
  toSent(pointer: string): string
}

/**
 * The members of a format with short names under long ones. Where two have the same long name, the second
 * keeps its own, or gets an underscore: nothing is lost.
 */
export function renameMembers(value: unknown, names: Readonly<Record<string, string>>): Renamed {
  const long = new Map<string, string>()
  const short = new Map<string, string>()
  const sent: [string, unknown][] = []
  for (const [name, member] of Object.entries(isObject(value) ? value : {})) {
    const wanted = Object.hasOwn(names, name) ? (names[name] as string) : name
    let chosen = short.has(wanted) ? name : wanted
    while (short.has(chosen)) chosen = `_${chosen}`
    short.set(chosen, name)
    long.set(name, chosen)
    sent.push([chosen, member])
  }
  return {
    sent: Object.fromEntries(sent),
    toRenamed: (pointer) => withFirstStep(pointer, long),
    toSent: (pointer) => withFirstStep(pointer, short),
  }
}

function withFirstStep(pointer: string, names: ReadonlyMap<string, string>): string {
  const [, name, rest = ''] = /^\/([^/]*)(\/.*)?$/s.exec(pointer) ?? []
  const other = name === undefined ? undefined : names.get(name)
  return other === undefined ? pointer : `/${other}${rest}`
}
