import type { ItemErrorCode } from '../errors.ts'
import { pointerTo } from '../json/json.ts'
import { LIMITS } from '../limits.ts'

/** Why a value cannot be stored; the pointer starts at the event. */
export interface Unstorable {
  code: ItemErrorCode
  pointer: string
  detail: string
}

/** Why Postgres' text and jsonb would reject this string; undefined where they accept it. */
export function unstorableText(text: string): string | undefined {
  if (text.includes('\0')) return 'contains the character NUL (U+0000), which cannot be stored'
  if (!text.isWellFormed()) return 'contains half of a surrogate pair, which cannot be stored'
  return undefined
}

/** Shared by properties and context of one event. */
export interface StorableBudget {
  /** Keys still allowed; decremented by each check. */
  keys: number
  /** No string can contain NUL or half a surrogate pair, because the JSON text contains no `\\u`. */
  hasNoEscapes?: boolean
}

/** Whether `findUnstorable` would find nothing: the same checks without the path, at a third of the cost. */
export function isStorable(value: unknown, budget: StorableBudget, depth = 1): boolean {
  if (typeof value === 'string') return budget.hasNoEscapes || unstorableText(value) === undefined
  if (typeof value === 'number') return Number.isFinite(value)
  if (value === null || typeof value !== 'object') return true
  if (depth > LIMITS.propertiesDepthMax) return false
  if (Array.isArray(value)) {
    for (const item of value) if (!isStorable(item, budget, depth + 1)) return false
    return true
  }
  // The result of JSON.parse has no inherited members.
  for (const key in value) {
    if (--budget.keys < 0 || key === '__proto__' || key.length > LIMITS.propertyKeyCharsMax)
      return false
    if (!budget.hasNoEscapes && unstorableText(key)) return false
    if (!isStorable((value as Record<string, unknown>)[key], budget, depth + 1)) return false
  }
  return true
}

/**
 * The first reason why a JSON value cannot be stored as properties or context: depth, number of keys
 * over all levels, length of a key, reserved keys, strings and numbers that would be changed.
 */
export function findUnstorable(
  root: unknown,
  start: readonly string[],
  budget: StorableBudget,
): Unstorable | undefined {
  const path: (string | number)[] = [...start]

  function visit(value: unknown, depth: number): Unstorable | undefined {
    if (typeof value === 'string') {
      const why = unstorableText(value)
      return why ? unstorable('STRING_UNSTORABLE', why) : undefined
    }
    if (typeof value === 'number')
      return Number.isFinite(value)
        ? undefined
        : unstorable(
            'NUMBER_UNREPRESENTABLE',
            'is a number that a double cannot hold; send it as a string',
          )
    if (value === null || typeof value !== 'object') return undefined
    if (depth > LIMITS.propertiesDepthMax)
      return unstorable('TOO_DEEP', `is nested deeper than ${LIMITS.propertiesDepthMax} levels`)
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
      const found = checkKey(key) ?? visit((value as Record<string, unknown>)[key], depth + 1)
      if (found) return found
      path.pop()
    }
    return undefined
  }

  function checkKey(key: string): Unstorable | undefined {
    if (--budget.keys < 0)
      return unstorable(
        'TOO_MANY_KEYS',
        `exceeds the ${LIMITS.propertiesKeysMax.toLocaleString('en')} keys that an event may have`,
      )
    if (key === '__proto__') return unstorable('KEY_RESERVED', 'the key __proto__ is reserved')
    if (key.length > LIMITS.propertyKeyCharsMax)
      return unstorable(
        'KEY_TOO_LONG',
        `the key is longer than ${LIMITS.propertyKeyCharsMax} characters`,
      )
    const why = unstorableText(key)
    return why ? unstorable('STRING_UNSTORABLE', `the key ${why}`) : undefined
  }

  function unstorable(code: ItemErrorCode, detail: string): Unstorable {
    // A lone surrogate in a response becomes U+FFFD on the wire; replacing it here keeps all outputs equal.
    return { code, pointer: pointerTo(path).toWellFormed().slice(0, 1024), detail }
  }

  return visit(root, 1)
}
