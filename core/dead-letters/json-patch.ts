import { parseExactly } from '../../contract/json/exact-parse.ts'
import { isObject } from '../../contract/json/is-object.ts'
import { LIMITS } from '../../contract/limits.ts'
import { badInput } from '../lib/api-error.ts'
import { WORKBENCH_LIMITS } from './limits.ts'

/** JSON Patch (RFC 6902) for one event: bounded, and with own members only. */
export type JsonPatch = readonly PatchOperation[]

interface PatchOperation {
  op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test'
  path: string[]
  from?: string[]
  /** As JSON, so that no two places share a value. */
  value?: string
}

/** An operation that this event does not allow. */
export class PatchError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PatchError'
  }
}

const OPERATIONS = ['add', 'remove', 'replace', 'move', 'copy', 'test'] as const
const MEMBERS: readonly string[] = ['op', 'path', 'from', 'value']
/** Of objects they are no members, but what objects are made of. */
const RESERVED = new Set(['__proto__', 'constructor', 'prototype'])
const DEPTH_MAX = LIMITS.propertiesDepthMax + 4

/** @param text JSON, as it was sent @throws BAD_USER_INPUT */
export function parsePatch(text: string): JsonPatch {
  if (Buffer.byteLength(text) > WORKBENCH_LIMITS.patchBytesMax)
    throw badInput('patch', `has more than ${WORKBENCH_LIMITS.patchBytesMax} bytes`)
  let value: unknown
  try {
    value = parseExactly(text)
  } catch {
    throw badInput('patch', 'is not JSON')
  }
  if (!Array.isArray(value)) throw badInput('patch', 'must be an array of operations')
  if (value.length > WORKBENCH_LIMITS.patchOperationsMax)
    throw badInput('patch', `has more than ${WORKBENCH_LIMITS.patchOperationsMax} operations`)
  return value.map((operation, i) =>
    readOperation(operation, (why) => badInput('patch', `/${i} ${why}`)),
  )
}

function readOperation(sent: unknown, bad: (why: string) => Error): PatchOperation {
  if (!isObject(sent)) throw bad('must be an object')
  const unknown = Object.keys(sent).find((key) => !MEMBERS.includes(key))
  if (unknown !== undefined) throw bad('has a member that is not op, path, from or value')
  const op = OPERATIONS.find((each) => each === sent.op)
  if (!op) throw bad(`op must be one of ${OPERATIONS.join(', ')}`)
  const read = (name: 'path' | 'from') => readPointer(sent[name], (why) => bad(`${name} ${why}`))
  const path = read('path')
  const needsFrom = op === 'move' || op === 'copy'
  const needsValue = op === 'add' || op === 'replace' || op === 'test'
  if (needsValue && !Object.hasOwn(sent, 'value')) throw bad('value is missing')
  if (needsValue && !isClean(sent.value)) throw bad('value has a reserved key, or is too deep')
  const from = needsFrom ? read('from') : undefined
  if (op === 'move' && from && isWithin(path, from) && path.length > from.length)
    throw bad('path is within from')
  const value = needsValue ? JSON.stringify(sent.value) : undefined
  return { op, path, ...(from && { from }), ...(value !== undefined && { value }) }
}

function readPointer(pointer: unknown, bad: (why: string) => Error): string[] {
  if (typeof pointer !== 'string' || !/^(\/([^~]|~[01])*)?$/.test(pointer))
    throw bad('must be a JSON pointer')
  const tokens = pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (tokens.length > DEPTH_MAX) throw bad('is too deep')
  if (tokens.some((token) => RESERVED.has(token))) throw bad('names a reserved key')
  return tokens
}

function isClean(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depth >= DEPTH_MAX) return false
  return Object.entries(value).every(
    ([key, each]) => !RESERVED.has(key) && isClean(each, depth + 1),
  )
}

export function isWithin(path: readonly string[], outer: readonly string[]): boolean {
  return outer.every((token, i) => path[i] === token)
}

/**
 * The event with all operations applied, or none. Its size is held to that of an event after each operation: sixteen
 * copies of the root are 65,536 roots.
 * @param document JSON of which nobody else has a part: it is changed
 * @throws PatchError
 */
export function applyPatch(document: unknown, patch: JsonPatch): unknown {
  if (isDeep(document)) throw new PatchError('the event is too deep')
  const holder = { root: document }
  let bytes = sizeOf(document)
  for (const [i, operation] of patch.entries()) {
    const fail = (why: string) => new PatchError(`operation ${i}: ${why}`)
    bytes += applyOperation(holder, operation, fail)
    // What was added is an upper bound, and cheap; most patches never come near.
    if (bytes <= LIMITS.eventBytesMax) continue
    bytes = sizeOf(holder.root)
    if (bytes > LIMITS.eventBytesMax) throw fail('the event becomes larger than 64 KiB')
  }
  return holder.root
}

type Fail = (why: string) => PatchError

/** @returns how many bytes it may have added */
function applyOperation(
  holder: { root: unknown },
  { op, path, from, value }: PatchOperation,
  fail: Fail,
): number {
  const key = path.at(-1) ?? ''
  switch (op) {
    case 'add':
      add(holder, path, JSON.parse(value as string), fail)
      return (value as string).length * 3 + key.length * 6 + 4
    case 'replace':
      find(holder, path, fail)
      write(holder, path, JSON.parse(value as string), fail)
      return (value as string).length * 3
    case 'remove':
      remove(holder, path, fail)
      return 0
    case 'test':
      if (!isEqual(find(holder, path, fail), JSON.parse(value as string)))
        throw fail('the test failed')
      return 0
    case 'copy': {
      const text = JSON.stringify(find(holder, from as string[], fail))
      if (text.length > LIMITS.eventBytesMax) throw fail('the event becomes larger than 64 KiB')
      add(holder, path, JSON.parse(text), fail)
      return text.length * 3 + key.length * 6 + 4
    }
    case 'move': {
      const moved = find(holder, from as string[], fail)
      remove(holder, from as string[], fail)
      add(holder, path, moved, fail)
      return key.length * 6 + 4
    }
  }
}

function find(holder: { root: unknown }, path: readonly string[], fail: Fail): unknown {
  let value = holder.root
  for (const token of path) value = memberOf(value, token, fail)
  return value
}

function memberOf(container: unknown, token: string, fail: Fail): unknown {
  if (Array.isArray(container)) return container[indexOf(token, container.length - 1, fail)]
  if (isObject(container) && Object.hasOwn(container, token)) return container[token]
  throw fail('the event has no such member')
}

function add(holder: { root: unknown }, path: readonly string[], value: unknown, fail: Fail): void {
  const container = find(holder, path.slice(0, -1), fail)
  const token = path.at(-1)
  if (token !== undefined && Array.isArray(container))
    container.splice(
      token === '-' ? container.length : indexOf(token, container.length, fail),
      0,
      value,
    )
  else write(holder, path, value, fail)
}

/** A member of an object that may not exist yet, or one of an array that does. */
function write(
  holder: { root: unknown },
  path: readonly string[],
  value: unknown,
  fail: Fail,
): void {
  const token = path.at(-1)
  if (token === undefined) {
    holder.root = value
    return
  }
  const container = find(holder, path.slice(0, -1), fail)
  if (Array.isArray(container)) container[indexOf(token, container.length - 1, fail)] = value
  else if (isObject(container)) container[token] = value
  else throw fail('the event has no such member')
}

function remove(holder: { root: unknown }, path: readonly string[], fail: Fail): void {
  find(holder, path, fail)
  const token = path.at(-1)
  if (token === undefined) throw fail('the event itself cannot be removed')
  const container = find(holder, path.slice(0, -1), fail)
  if (Array.isArray(container)) container.splice(Number(token), 1)
  else delete (container as Record<string, unknown>)[token]
}

function indexOf(token: string, max: number, fail: Fail): number {
  if (!/^(0|[1-9]\d{0,8})$/.test(token) || Number(token) > max)
    throw fail('the event has no such element')
  return Number(token)
}

function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [left, right] = [Object.entries(a), b as Record<string, unknown>]
  return (
    left.length === Object.keys(right).length &&
    left.every(([key, value]) => Object.hasOwn(right, key) && isEqual(value, right[key]))
  )
}

/** Deeper than any event may be; JSON.stringify would fail on some. */
export function isDeep(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth > DEPTH_MAX || Object.values(value).some((each) => isDeep(each, depth + 1))
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
