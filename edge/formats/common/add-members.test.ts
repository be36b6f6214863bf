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

it('a thousand names of underscores in either object are no more work than other names', async () => {
  // In workerd the clock advances only with I/O.
  const now = () => new Promise<number>((resolve) => setTimeout(() => resolve(Date.now()), 0))
  const names = Array.from({ length: 1_000 }, (_, i) => `${'_'.repeat(i)}a`)
  const begun = await now()
  add(Object.fromEntries(names.map((name) => [name, 1])), named(...names))
  // One by one, a million names of a thousand characters take seven seconds.
  expect((await now()) - begun).toBeLessThan(2_000)
})
