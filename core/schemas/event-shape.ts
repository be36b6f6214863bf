import { pointerTo } from '../../contract/json/json.ts'
import { SHAPE_LIMITS } from './shape-limits.ts'

export const SHAPE_TYPES = ['null', 'boolean', 'number', 'string', 'array', 'object'] as const
export type ShapeType = (typeof SHAPE_TYPES)[number]

/** What a worker learns from of an event. */
export interface SampledEvent {
  tenantId: number
  name: string
  properties: Record<string, unknown>
  receivedMs: number
  keyId: string | null
}

/** A path with one type, as seen in a sample. */
export interface SeenType {
  path: string
  type: ShapeType
  /** In how many events. */
  events: number
  firstMs: number
  lastMs: number
  firstKey: string | null
  /** The number of the event in the sample that had it first, and last; the first event is 0. */
  firstSample: number
  lastSample: number
  /** Different ones, of its values. */
  hashes: number[]
}

/** The shape of events of one name, in one sample. */
export interface EventShape {
  readonly tenantId: number
  readonly name: string
  readonly events: number
  readonly firstMs: number
  readonly lastMs: number
  types(): SeenType[]
  add(event: SampledEvent): void
}

/** How many more paths all shapes together may hold. */
export interface PathBudget {
  left: number
}

interface Node {
  path: string
  types: Map<ShapeType, SeenType>
  members: Map<string, Node> | undefined
}

/** The token of an array's items in a path. */
export const ITEMS = '[]'

/**
 * Learns paths and types and no value: of values it keeps 16 bits of a hash, which tell a few values from many and
 * nothing else. However an event looks, it adds at most `pathsPerNameMax` entries, and no more than `valuesPerEventMax`
 * of its values are looked at.
 */
export function createEventShape(
  tenantId: number,
  name: string,
  budget: PathBudget = { left: SHAPE_LIMITS.heldPathsMax },
): EventShape {
  const root: Node = { path: '', types: new Map(), members: undefined }
  const shape = { tenantId, name, events: 0, firstMs: Number.POSITIVE_INFINITY, lastMs: 0 }
  const entries: SeenType[] = []
  let valuesLeft = 0
  let nodes = 0

  function childOf(parent: Node, key: string): Node | undefined {
    parent.members ??= new Map()
    const known = parent.members.get(key)
    if (known) return known
    const path = parent.path + pointerTo([key])
    if (path.length > SHAPE_LIMITS.pathCharsMax || nodes >= SHAPE_LIMITS.pathsPerNameMax)
      return undefined
    if (budget.left <= 0) return undefined
    budget.left--
    nodes++
    const node: Node = { path, types: new Map(), members: undefined }
    parent.members.set(key, node)
    return node
  }

  function see(node: Node, type: ShapeType, value: unknown, event: SampledEvent): void {
    const { receivedMs } = event
    let seen = node.types.get(type)
    if (!seen) {
      if (entries.length >= SHAPE_LIMITS.pathsPerNameMax) return
      seen = {
        ...{ path: node.path, type, events: 0, firstMs: receivedMs, lastMs: receivedMs },
        ...{ firstKey: event.keyId, firstSample: shape.events, lastSample: -1, hashes: [] },
      }
      node.types.set(type, seen)
      entries.push(seen)
    }
    // Items of an array have the same path in one event.
    if (seen.lastSample < shape.events) seen.events++
    seen.lastSample = shape.events
    if (receivedMs > seen.lastMs) seen.lastMs = receivedMs
    if (receivedMs < seen.firstMs) {
      seen.firstMs = receivedMs
      seen.firstKey = event.keyId
    }
    if (type !== 'object' && type !== 'array' && seen.hashes.length <= SHAPE_LIMITS.fewMax) {
      const hash = hashOf(String(value))
      if (!seen.hashes.includes(hash)) seen.hashes.push(hash)
    }
  }

  function walk(parent: Node, key: string, value: unknown, event: SampledEvent, depth: number) {
    if (valuesLeft-- <= 0) return
    const node = childOf(parent, key)
    if (!node) return
    const type = shapeTypeOf(value)
    see(node, type, value, event)
    if (depth >= SHAPE_LIMITS.depthMax) return
    if (type === 'object') walkMembers(node, value as Record<string, unknown>, event, depth + 1)
    else if (type === 'array')
      for (const item of (value as unknown[]).slice(0, SHAPE_LIMITS.itemsMax))
        walk(node, ITEMS, item, event, depth + 1)
  }

  function walkMembers(
    node: Node,
    of: Record<string, unknown>,
    event: SampledEvent,
    depth: number,
  ): void {
    for (const key in of) {
      if (valuesLeft <= 0) return
      walk(node, key, of[key], event, depth)
    }
  }

  return {
    ...{ tenantId, name },
    get events() {
      return shape.events
    },
    get firstMs() {
      return shape.firstMs
    },
    get lastMs() {
      return shape.lastMs
    },
    types: () => entries,
    add(event) {
      valuesLeft = SHAPE_LIMITS.valuesPerEventMax
      walkMembers(root, event.properties, event, 1)
      shape.events++
      shape.firstMs = Math.min(shape.firstMs, event.receivedMs)
      shape.lastMs = Math.max(shape.lastMs, event.receivedMs)
    },
  }
}

export function shapeTypeOf(value: unknown): ShapeType {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value as ShapeType
}

/** Of at most 64 characters (FNV-1a). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = Math.min(text.length, 64) - 1; i >= 0; i--)
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 16)) & 0xffff
}
