import type { ItemErrorCode } from '../errors.ts'
import { pointerTo } from '../json/json.ts'
import { LIMITS } from '../limits.ts'

/** Why a value cannot be kept, and where; the pointer starts at the value's own place in the event. */
export interface Unstorable {
  code: ItemErrorCode
  pointer: string
  detail: string
}

/** What Postgres' text and jsonb refuse, named in words. */
export function unstorableText(text: string): string | undefined {
  if (text.includes('\0')) return 'holds the character NUL (U+0000), which cannot be stored'
  if (!text.isWellFormed()) return 'holds half of a surrogate pair, which cannot be stored'
  return undefined
}

/** What several parts of one event share. */
export interface StorableBudget {
  /** Keys still allowed; counted down. */
  keys: number
  /** No string can hold NUL or half a surrogate pair, because the text it came from holds no `\\u`. */
  hasNoEscapes?: boolean
}

/** Whether `findUnstorable` would find nothing: the same questions without keeping the path, at a third of the cost. */
export function isStorable(value: unknown, budget: StorableBudget, depth = 1): boolean {
  if (typeof value === 'string') return budget.hasNoEscapes || unstorableText(value) === undefined
  if (typeof value === 'number') return Number.isFinite(value)
  if (value === null || typeof value !== 'object') return true
  if (depth > LIMITS.propertiesDepthMax) return false
  if (Array.isArray(value)) {
    for (const each of value) if (!isStorable(each, budget, depth + 1)) return false
    return true
  }
  // What JSON.parse made has no inherited members.
  for (const key in value) {
    if (--budget.keys < 0 || key === '__proto__' || key.length > LIMITS.propertyKeyCharsMax)
      return false
    if (!budget.hasNoEscapes && unstorableText(key)) return false
    if (!isStorable((value as Record<string, unknown>)[key], budget, depth + 1)) return false
  }
  return true
}

/**
 * The first reason why a JSON value cannot be kept as properties or context: depth, number of keys
 * over all levels, length of a key, reserved keys, strings and numbers that would be changed.
 */
export function findUnstorable(
  root: unknown,
  at: readonly string[],
  budget: StorableBudget,
): Unstorable | undefined {
  const path: (string | number)[] = [...at]

  function visit(value: unknown, depth: number): Unstorable | undefined {
    if (typeof value === 'string') {
      const why = unstorableText(value)
      return why ? bad('STRING_UNSTORABLE', why) : undefined
    }
    if (typeof value === 'number')
      return Number.isFinite(value)
        ? undefined
        : bad('NUMBER_UNREPRESENTABLE', 'is a number that a double cannot hold')
    if (value === null || typeof value !== 'object') return undefined
    if (depth > LIMITS.propertiesDepthMax)
      return bad('TOO_DEEP', `is nested deeper than ${LIMITS.propertiesDepthMax} levels`)
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        path.push(i)
        const found = visit(value[i], depth + 1)
        if (found) return found
        path.pop()
      }
      return undefined
    }
    for (const key of Object.keys(value)) {
      path.push(key)
      const found = badKey(key) ?? visit((value as Record<string, unknown>)[key], depth + 1)
      if (found) return found
      path.pop()
    }
    return undefined
  }

  function badKey(key: string): Unstorable | undefined {
    if (--budget.keys < 0)
      return bad(
        'TOO_MANY_KEYS',
        `is one key more than the ${LIMITS.propertiesKeysMax.toLocaleString('en')} that an event may have`,
      )
    if (key === '__proto__') return bad('KEY_RESERVED', 'the key __proto__ is reserved')
    if (key.length > LIMITS.propertyKeyCharsMax)
      return bad('KEY_TOO_LONG', `the key is longer than ${LIMITS.propertyKeyCharsMax} characters`)
    const why = unstorableText(key)
    return why ? bad('STRING_UNSTORABLE', `the key ${why}`) : undefined
  }

  function bad(code: ItemErrorCode, detail: string): Unstorable {
    // A lone surrogate in the answer's own text would turn into U+FFFD on the wire: say so ourselves.
    return { code, pointer: pointerTo(path).toWellFormed().slice(0, 1024), detail }
  }

  return visit(root, 1)
}
