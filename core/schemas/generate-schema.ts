import { SCHEMA_DIALECT } from '../../contract/schema/compile-schema.ts'
import { ITEMS, type ShapeType } from './event-shape.ts'

/** What a schema is generated from. */
export interface LearnedProperty {
  path: string
  presence: number
  types: readonly { type: ShapeType; share: number }[]
}

interface Generated {
  $schema?: string
  type?: ShapeType | ShapeType[]
  required?: string[]
  properties?: Record<string, Generated>
  items?: Generated
}

/** A type that fewer events have than that is what the schema is to find. */
const TYPE_SHARE_MIN = 0.05

/** What all sampled events have is required; further properties are allowed. @returns JSON, two spaces deep */
export function generateSchema(properties: readonly LearnedProperty[]): string {
  const root: Generated = { $schema: SCHEMA_DIALECT, type: 'object' }
  const nodes = new Map<string, { node: Generated; presence: number }>([
    ['', { node: root, presence: 1 }],
  ])
  // In the order of their paths: what is inside comes after.
  for (const { path, presence, types } of properties) {
    const end = path.lastIndexOf('/')
    const parent = nodes.get(path.slice(0, end))
    if (!parent) continue
    const token = path.slice(end + 1)
    const usual = types.filter(({ share }) => share >= TYPE_SHARE_MIN).map(({ type }) => type)
    const node: Generated = { type: usual.length === 1 ? usual[0] : usual }
    nodes.set(path, { node, presence })
    if (token === ITEMS) {
      parent.node.items = node
      continue
    }
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    parent.node.properties ??= {}
    // As a member of its own, also where it is called __proto__.
    Object.defineProperty(parent.node.properties, key, {
      ...{ value: node, enumerable: true, configurable: true, writable: true },
    })
    if (presence >= parent.presence && presence > 0)
      parent.node.required = [...(parent.node.required ?? []), key]
  }
  return JSON.stringify(root, null, 2)
}
