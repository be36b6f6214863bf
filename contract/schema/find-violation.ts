import { isUuid } from '../event/uuid.ts'
import { pointerTo } from '../json/json.ts'
import { type Format, type JsonType, SCHEMA_LIMITS, type SchemaNode } from './compile-schema.ts'

/** The first difference between an event and its schema; no value of the event is in it. */
export interface Violation {
  /** A JSON pointer into the event, such as `/properties/price`. */
  pointer: string
  detail: string
}

/**
 * Compares an event's properties with a schema. It stops at the first violation and after `SCHEMA_LIMITS.stepsMax` steps:
 * an event that is too large to be checked violates its schema. Which one is found depends on both alone.
 */
export function findViolation(
  schema: SchemaNode,
  properties: Record<string, unknown>,
): Violation | undefined {
  const walk: Walk = { steps: 0, path: ['properties'] }
  const detail = check(schema, properties, walk)
  return detail === undefined ? undefined : { pointer: pointerTo(walk.path), detail }
}

interface Walk {
  steps: number
  /** Where the walk is; where a violation was found it stays there. */
  path: (string | number)[]
}

const TOO_LARGE = 'is too large to be compared with the schema'

/** @returns what is wrong */
function check(schema: SchemaNode, value: unknown, walk: Walk): string | undefined {
  if (++walk.steps > SCHEMA_LIMITS.stepsMax) return TOO_LARGE
  if (schema.never) return 'is not allowed'
  const { types, values, anyOf } = schema
  if (types && !hasType(types, value))
    return `is ${nameOf(typeOf(value))} and has to be ${[...types].map(nameOf).join(' or ')}`
  if (values && !values.has(value as string)) return 'is not one of the values of the schema'
  const wrong = checkMembers(schema, value, walk)
  if (wrong !== undefined) return wrong
  return anyOf && checkAlternatives(anyOf, value, walk)
}

function checkMembers(schema: SchemaNode, value: unknown, walk: Walk): string | undefined {
  if (typeof value === 'string') return checkText(schema, value, walk)
  if (typeof value === 'number') return checkNumber(schema, value)
  if (Array.isArray(value)) return checkItems(schema, value, walk)
  if (typeof value === 'object' && value !== null)
    return checkProperties(schema, value as Record<string, unknown>, walk)
  return undefined
}

function checkAlternatives(
  anyOf: readonly SchemaNode[],
  value: unknown,
  walk: Walk,
): string | undefined {
  const { length } = walk.path
  for (const each of anyOf) {
    const wrong = check(each, value, walk)
    if (wrong === undefined || walk.steps > SCHEMA_LIMITS.stepsMax) return wrong
    walk.path.length = length
  }
  return 'matches none of the alternatives'
}

function checkProperties(
  { required, properties, additionalProperties }: SchemaNode,
  value: Record<string, unknown>,
  walk: Walk,
): string | undefined {
  walk.steps += (required?.length ?? 0) >> 3
  for (const name of required ?? [])
    if (!Object.hasOwn(value, name)) {
      walk.path.push(name)
      return 'is missing'
    }
  if (!properties && !additionalProperties) return undefined
  for (const name of Object.keys(value)) {
    const schema = properties?.get(name) ?? additionalProperties
    if (!schema) {
      if (++walk.steps > SCHEMA_LIMITS.stepsMax) return TOO_LARGE
      continue
    }
    walk.path.push(name)
    const wrong = check(schema, value[name], walk)
    if (wrong !== undefined) return wrong
    walk.path.pop()
  }
  return undefined
}

function checkItems(
  { items, minItems, maxItems }: SchemaNode,
  value: readonly unknown[],
  walk: Walk,
): string | undefined {
  if (minItems !== undefined && value.length < minItems) return `has less than ${minItems} items`
  if (maxItems !== undefined && value.length > maxItems) return `has more than ${maxItems} items`
  if (!items) return undefined
  for (let i = 0; i < value.length; i++) {
    walk.path.push(i)
    const wrong = check(items, value[i], walk)
    if (wrong !== undefined) return wrong
    walk.path.pop()
  }
  return undefined
}

function checkText(
  { format, minLength, maxLength }: SchemaNode,
  value: string,
  walk: Walk,
): string | undefined {
  if (minLength !== undefined || maxLength !== undefined) {
    walk.steps += value.length >> 6
    const length = countCharacters(value)
    if (minLength !== undefined && length < minLength)
      return `has less than ${minLength} characters`
    if (maxLength !== undefined && length > maxLength)
      return `has more than ${maxLength} characters`
  }
  if (format && !FORMAT[format](value)) return `is not of the format ${format}`
  return undefined
}

/** Code points, as draft 2020-12 counts. */
function countCharacters(text: string): number {
  let count = text.length
  for (let i = 1; i < text.length; i++)
    if ((text.charCodeAt(i) & 0xfc00) === 0xdc00 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800)
      count--
  return count
}

function checkNumber(schema: SchemaNode, value: number): string | undefined {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  if (minimum !== undefined && value < minimum) return `is less than ${minimum}`
  if (maximum !== undefined && value > maximum) return `is greater than ${maximum}`
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum)
    return `is not greater than ${exclusiveMinimum}`
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum)
    return `is not less than ${exclusiveMaximum}`
  return undefined
}

/** Our own expressions, each linear and on a bounded text. */
const FORMAT: Record<Format, (text: string) => boolean> = {
  'date-time': (text) =>
    text.length <= 64 &&
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text) &&
    !Number.isNaN(Date.parse(text.toUpperCase())),
  uuid: isUuid,
  email: (text) => text.length <= 254 && /^[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+$/.test(text),
}

function hasType(types: ReadonlySet<JsonType>, value: unknown): boolean {
  const type = typeOf(value)
  return types.has(type) || (type === 'number' && types.has('integer') && Number.isInteger(value))
}

function typeOf(value: unknown): JsonType {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value as JsonType
}

function nameOf(type: JsonType): string {
  if (type === 'null') return 'null'
  return /^[aoi]/.test(type) ? `an ${type}` : `a ${type}`
}
