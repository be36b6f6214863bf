import { expect, it } from 'vitest'
import { addMembers, type Member } from './add-members.ts'
import { createPointerMap } from './pointer-map.ts'

const add = (sent: object, members: readonly Member[]) =>
  addMembers(sent, members, '', createPointerMap())
const named = (...names: string[]) => names.map((name): Member => [name, name, name])

it('an added member whose name is taken gets underscores, and none replaces another', () => {
  expect(add({ a: 1 }, named('a', 'b'))).toEqual({ a: 1, _a: 'a', b: 'b' })
  const sent = { a: 1, _a: 2, ___a: 3 }
  const added = add(sent, named('a', '____a', '___a', '_____a', 'a', '_a'))
  expect(Object.keys(added as object)).toHaveLength(9)
  expect(added).toMatchObject(sent)
})
