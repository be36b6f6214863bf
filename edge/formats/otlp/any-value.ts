import { isObject } from '../../../contract/json/is-object.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { Fields } from '../common/add-members.ts'
import type { Fault } from '../ingest-format.ts'

/**
 * An AnyValue of OTLP's JSON encoding, decoded without loss: a 64-bit integer that a double cannot hold stays the text
 * that it was sent as, bytes stay base64, and NaN and the infinities their names.
 * @param pointer of the value; where it is not valid, `faults` gets the reason
 */
export function decodeValue(value: unknown, pointer: string, faults: Fault[], depth = 1): unknown {
  const fault = (detail: string, at = pointer) => {
    faults.push({ code: 'ATTRIBUTE_INVALID', pointer: at, detail })
    return undefined
  }
  // An empty AnyValue is a valid one.
  if (value === null || value === undefined) return null
  if (!isObject(value)) return fault('must be an object such as {"stringValue":"a"}')
  const kinds = Object.keys(value)
  const [kind] = kinds
  if (kind === undefined) return null
  const decode = DECODERS[kind as keyof typeof DECODERS]
  if (kinds.length > 1 || !Object.hasOwn(DECODERS, kind))
    return fault(`must have one member of ${Object.keys(DECODERS).join(', ')}`)
  if (depth > LIMITS.propertiesDepthMax) {
    faults.push({
      code: 'TOO_DEEP',
      pointer,
      detail: `is nested deeper than ${LIMITS.propertiesDepthMax} levels`,
    })
    return undefined
  }
  const decoded = decode(value[kind], `${pointer}/${kind}`, faults, depth)
  return decoded === undefined ? fault(`is not a valid ${kind}`, `${pointer}/${kind}`) : decoded
}

/**
 * A list of `{key, value}` as an object.
 * @param onKey called with each key and its index
 */
export function decodeList(
  list: unknown,
  pointer: string,
  faults: Fault[],
  onKey: (key: string, index: number) => void = () => {},
  depth = 0,
): Fields {
  const entries: [string, unknown][] = []
  const names = new Set<string>()
  if (list !== undefined && list !== null && !Array.isArray(list))
    faults.push({ code: 'ATTRIBUTE_INVALID', pointer, detail: 'must be an array of {key, value}' })
  else if (list)
    for (const [index, attribute] of (list as unknown[]).entries()) {
      if (faults.length >= FAULTS_MAX) break
      const at = `${pointer}/${index}`
      const key = isObject(attribute) ? attribute.key : undefined
      if (typeof key !== 'string' || key === '')
        faults.push({ code: 'ATTRIBUTE_INVALID', pointer: `${at}/key`, detail: 'must be a name' })
      else if (names.has(key))
        faults.push({
          code: 'PROPERTY_CONFLICT',
          pointer: `${at}/key`,
          detail: 'is the key of an earlier attribute as well',
        })
      else {
        names.add(key)
        onKey(key, index)
        entries.push([
          key,
          decodeValue((attribute as Fields).value, `${at}/value`, faults, depth + 1),
        ])
      }
    }
  return Object.fromEntries(entries)
}

/** Of an event: what is wrong with the first says enough. */
export const FAULTS_MAX = 5

type Decode = (value: unknown, pointer: string, faults: Fault[], depth: number) => unknown

/** Each gives undefined for what is not valid. */
const DECODERS = {
  stringValue: (value) => (typeof value === 'string' ? value : undefined),
  boolValue: (value) => (typeof value === 'boolean' ? value : undefined),
  intValue: decodeInteger,
  doubleValue: decodeDouble,
  arrayValue: decodeArray,
  kvlistValue: (value, pointer, faults, depth) =>
    isObject(value)
      ? decodeList(value.values, `${pointer}/values`, faults, undefined, depth)
      : undefined,
  bytesValue: (value) =>
    typeof value === 'string' && /^[A-Za-z0-9+/_-]*={0,2}$/.test(value) ? value : undefined,
} as const satisfies Record<string, Decode>

/** A text of digits, as the encoding wants it, or a number. */
function decodeInteger(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? value : undefined
  if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) return undefined
  const number = Number(value)
  // Not -0.
  return Number.isSafeInteger(number) ? number + 0 : value
}

function decodeDouble(value: unknown): unknown {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return undefined
  if (['NaN', 'Infinity', '-Infinity'].includes(value)) return value
  const number = Number(value)
  return value.trim() !== '' && Number.isFinite(number) ? number : undefined
}

function decodeArray(value: unknown, pointer: string, faults: Fault[], depth: number): unknown {
  const values = isObject(value) ? (value.values ?? []) : undefined
  if (!Array.isArray(values)) return undefined
  const decoded: unknown[] = []
  for (const [index, each] of values.entries()) {
    if (faults.length >= FAULTS_MAX) break
    decoded.push(decodeValue(each, `${pointer}/values/${index}`, faults, depth + 1))
  }
  return decoded
}
