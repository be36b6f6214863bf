import { pointerTo } from '../json/json.ts'

/** What a schema may be at most, so that no schema of anybody costs more than an event does. */
export const SCHEMA_LIMITS = {
  bytesMax: 32 * 1024,
  depthMax: 16,
  nodesMax: 500,
  listMax: 100,
  alternativesMax: 8,
  /** Alternatives within alternatives, multiplied: as often at most a value is looked at. */
  branchesMax: 16,
  /** Values and alternatives that are looked at for one event. */
  stepsMax: 10_000,
} as const

export const SCHEMA_DIALECT = 'https://json-schema.org/draft/2020-12/schema'

/** `object`, `array` and so on; integer is a number without a fraction. */
export const JSON_TYPES = [
  'null',
  'boolean',
  'number',
  'integer',
  'string',
  'array',
  'object',
] as const
export type JsonType = (typeof JSON_TYPES)[number]

export const FORMATS = ['date-time', 'uuid', 'email'] as const
export type Format = (typeof FORMATS)[number]

type Scalar = string | number | boolean | null

/** A schema as `findViolation` walks it. */
export interface SchemaNode {
  /** `false` of draft 2020-12: nothing is valid. */
  never?: true
  types?: ReadonlySet<JsonType>
  values?: ReadonlySet<Scalar>
  required?: readonly string[]
  properties?: ReadonlyMap<string, SchemaNode>
  additionalProperties?: SchemaNode
  items?: SchemaNode
  anyOf?: readonly SchemaNode[]
  format?: Format
  minItems?: number
  maxItems?: number
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
}

export interface SchemaError {
  /** A JSON pointer into the schema. */
  pointer: string
  code:
    | 'NOT_JSON'
    | 'SCHEMA_TOO_LARGE'
    | 'SCHEMA_TOO_DEEP'
    | 'SCHEMA_TOO_COMPLEX'
    | 'KEYWORD_UNSUPPORTED'
    | 'KEYWORD_INVALID'
  detail: string
}

export type CompiledSchema = { ok: true; schema: SchemaNode } | { ok: false; error: SchemaError }

/**
 * Reads a schema: a subset of JSON Schema draft 2020-12 without references, patterns and other keywords whose cost
 * cannot be bounded. What is not supported is an error and never ignored.
 */
export function compileSchemaText(text: string): CompiledSchema {
  if (new TextEncoder().encode(text).length > SCHEMA_LIMITS.bytesMax)
    return failed([], 'SCHEMA_TOO_LARGE', `is larger than ${SCHEMA_LIMITS.bytesMax} bytes`)
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return failed([], 'NOT_JSON', 'is not JSON')
  }
  return compileSchema(document)
}

export function compileSchema(document: unknown): CompiledSchema {
  try {
    return {
      ok: true,
      schema: compileNode(document, { path: [], depth: 1, branches: 1, budget: { nodes: 0 } }),
    }
  } catch (error) {
    if (error instanceof SchemaFault) return { ok: false, error: error.found }
    throw error
  }
}

interface At {
  path: readonly (string | number)[]
  depth: number
  /** Of all `anyOf` around it, multiplied. */
  branches: number
  budget: { nodes: number }
}

class SchemaFault extends Error {
  readonly found: SchemaError

  constructor(path: At['path'], code: SchemaError['code'], detail: string) {
    super(detail)
    this.found = { pointer: pointerTo(path), code, detail }
  }
}

function failed(path: At['path'], code: SchemaError['code'], detail: string): CompiledSchema {
  return { ok: false, error: new SchemaFault(path, code, detail).found }
}

function compileNode(value: unknown, at: At): SchemaNode {
  if (++at.budget.nodes > SCHEMA_LIMITS.nodesMax)
    throw new SchemaFault(
      at.path,
      'SCHEMA_TOO_COMPLEX',
      `the schema consists of more than ${SCHEMA_LIMITS.nodesMax} schemas`,
    )
  if (at.depth > SCHEMA_LIMITS.depthMax)
    throw new SchemaFault(
      at.path,
      'SCHEMA_TOO_DEEP',
      `is nested deeper than ${SCHEMA_LIMITS.depthMax} levels`,
    )
  if (value === true) return {}
  if (value === false) return { never: true }
  if (!isObject(value)) throw invalid(at, 'is neither an object nor true or false')
  const node: SchemaNode = {}
  for (const [keyword, operand] of Object.entries(value)) {
    const within = { ...at, path: [...at.path, keyword] }
    const compile = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined
    if (!compile)
      throw new SchemaFault(
        within.path,
        'KEYWORD_UNSUPPORTED',
        'is a keyword that is not supported; docs/schemas.md lists those that are',
      )
    compile(node, operand, within)
  }
  return node
}

type Compile = (node: SchemaNode, operand: unknown, at: At) => void

const KEYWORDS: Readonly<Record<string, Compile>> = {
  $schema(_, operand, at) {
    if (operand !== SCHEMA_DIALECT || at.depth > 1) throw invalid(at, `is not ${SCHEMA_DIALECT}`)
  },
  ...Object.fromEntries(['title', 'description', '$comment'].map((each) => [each, annotation])),
  type(node, operand, at) {
    const names = listOf([operand].flat(), at)
    if (
      names.length === 0 ||
      !names.every((name) => (JSON_TYPES as readonly unknown[]).includes(name))
    )
      throw invalid(at, `is not one of ${JSON_TYPES.join(', ')}, or a list of them`)
    node.types = new Set(names as JsonType[])
  },
  enum(node, operand, at) {
    const values = listOf(operand, at)
    if (values.length === 0 || !values.every(isScalar))
      throw invalid(at, 'is not a list of strings, numbers, booleans or null')
    node.values = new Set([...values].filter((value) => !node.values || node.values.has(value)))
  },
  const(node, operand, at) {
    if (!isScalar(operand)) throw invalid(at, 'is not a string, a number, a boolean or null')
    node.values = new Set(!node.values || node.values.has(operand) ? [operand] : [])
  },
  required(node, operand, at) {
    const names = listOf(operand, at)
    if (!names.every((name) => typeof name === 'string'))
      throw invalid(at, 'is not a list of names')
    node.required = names
  },
  properties(node, operand, at) {
    if (!isObject(operand)) throw invalid(at, 'is not an object')
    node.properties = new Map(
      Object.entries(operand).map(([name, each]) => [name, compileBelow(each, at, name)]),
    )
  },
  additionalProperties(node, operand, at) {
    node.additionalProperties = compileBelow(operand, at)
  },
  items(node, operand, at) {
    node.items = compileBelow(operand, at)
  },
  anyOf(node, operand, at) {
    const alternatives = listOf(operand, at)
    if (alternatives.length < 1 || alternatives.length > SCHEMA_LIMITS.alternativesMax)
      throw invalid(at, `does not have 1 to ${SCHEMA_LIMITS.alternativesMax} schemas`)
    const within = { ...at, branches: at.branches * alternatives.length }
    if (within.branches > SCHEMA_LIMITS.branchesMax)
      throw new SchemaFault(
        at.path,
        'SCHEMA_TOO_COMPLEX',
        `has with those around it more than ${SCHEMA_LIMITS.branchesMax} alternatives`,
      )
    node.anyOf = alternatives.map((each, i) => compileBelow(each, within, i))
  },
  format(node, operand, at) {
    if (!(FORMATS as readonly unknown[]).includes(operand))
      throw invalid(at, `is not one of ${FORMATS.join(', ')}`)
    node.format = operand as Format
  },
  ...Object.fromEntries(
    (['minItems', 'maxItems', 'minLength', 'maxLength'] as const).map((keyword) => [
      keyword,
      bound(keyword, (value) => Number.isInteger(value) && value >= 0, 'is not a whole number'),
    ]),
  ),
  ...Object.fromEntries(
    (['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const).map((keyword) => [
      keyword,
      bound(keyword, Number.isFinite, 'is not a number'),
    ]),
  ),
}

function annotation(_: SchemaNode, operand: unknown, at: At): void {
  if (typeof operand !== 'string') throw invalid(at, 'is not a text')
}

type Bound = {
  [Key in keyof SchemaNode]-?: NonNullable<SchemaNode[Key]> extends number ? Key : never
}[keyof SchemaNode]

function bound(keyword: Bound, isValid: (value: number) => boolean, fault: string): Compile {
  return (node, operand, at) => {
    if (typeof operand !== 'number' || !isValid(operand)) throw invalid(at, fault)
    node[keyword] = operand
  }
}

function compileBelow(value: unknown, at: At, ...step: (string | number)[]): SchemaNode {
  return compileNode(value, { ...at, path: [...at.path, ...step], depth: at.depth + 1 })
}

function listOf(operand: unknown, at: At): unknown[] {
  if (!Array.isArray(operand)) throw invalid(at, 'is not a list')
  if (operand.length > SCHEMA_LIMITS.listMax)
    throw invalid(at, `has more than ${SCHEMA_LIMITS.listMax} entries`)
  return operand
}

function isScalar(value: unknown): value is Scalar {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid({ path }: At, detail: string): SchemaFault {
  return new SchemaFault(path, 'KEYWORD_INVALID', detail)
}
