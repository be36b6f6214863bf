import { expect, test } from 'vitest'
import { applyPatch, parsePatch } from './json-patch.ts'

const patched = (document: unknown, operations: unknown) =>
  applyPatch(structuredClone(document), parsePatch(JSON.stringify(operations)))

test.each([
  [{ a: 1 }, [{ op: 'add', path: '/b', value: [1] }], { a: 1, b: [1] }],
  [{ a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
  [{ a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
  [{ a: [1, 2] }, [{ op: 'remove', path: '/a/0' }], { a: [2] }],
  [{ 'a/b': { '~': 1 } }, [{ op: 'replace', path: '/a~1b/~0', value: 2 }], { 'a/b': { '~': 2 } }],
  [{ a: { b: 1 } }, [{ op: 'move', from: '/a/b', path: '/c' }], { a: {}, c: 1 }],
  [{ a: { b: 1 } }, [{ op: 'copy', from: '/a', path: '/a/c' }], { a: { b: 1, c: { b: 1 } } }],
  [{ a: { b: 1 } }, [{ op: 'test', path: '/a', value: { b: 1 } }], { a: { b: 1 } }],
  [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
])('a patch is applied as RFC 6902 has it, %#', (document, operations, expected) => {
  expect(patched(document, operations)).toEqual(expected)
})

test.each([
  [{ a: 1 }, [{ op: 'replace', path: '/b', value: 1 }]],
  [{ a: 1 }, [{ op: 'test', path: '/a', value: '1' }]],
  [{ a: [] }, [{ op: 'replace', path: '/a/0', value: 1 }]],
  [{ a: [] }, [{ op: 'add', path: '/a/01', value: 1 }]],
  [{ a: 1 }, [{ op: 'remove', path: '' }]],
  // A member of every object, and of none.
  [{ a: 1 }, [{ op: 'remove', path: '/toString' }]],
])('an operation that the event does not allow fails, %#', (document, operations) => {
  expect(() => patched(document, operations)).toThrow(/^operation 0: /)
})

test.each([
  ['not an array', {}],
  ['an operation of another name', [{ op: 'merge', path: '' }]],
  ['a path that lacks a slash', [{ op: 'remove', path: 'a' }]],
  ['no value', [{ op: 'add', path: '/a' }]],
  ['another member', [{ op: 'remove', path: '/a', tenant: 'other' }]],
  ['a move into itself', [{ op: 'move', from: '/a', path: '/a/b' }]],
  ['the prototype', [{ op: 'add', path: '/__proto__/a', value: 1 }]],
  ['the constructor', [{ op: 'copy', from: '/constructor', path: '/a' }]],
  ['a reserved key in a value', [{ op: 'add', path: '/a', value: { b: { prototype: 1 } } }]],
  ['51 operations', Array(51).fill({ op: 'test', path: '', value: 1 })],
  ['more than 64 KiB', [{ op: 'add', path: '/a', value: 'x'.repeat(65_536) }]],
])('a patch with %s is refused before it is applied', (_, operations) => {
  expect(() => parsePatch(JSON.stringify(operations))).toThrow('patch')
})

test('a patch that doubles the event with each operation stops at 64 KiB', () => {
  const doubling = Array.from({ length: 50 }, (_, i) => ({ op: 'copy', from: '', path: `/a${i}` }))
  expect(() => patched({ text: 'x'.repeat(100) }, doubling)).toThrow('64 KiB')
  expect(() =>
    parsePatch(`[{"op":"add","path":"/a","value":${'['.repeat(5_000)}${']'.repeat(5_000)}}]`),
  ).toThrow('too deep')
})
