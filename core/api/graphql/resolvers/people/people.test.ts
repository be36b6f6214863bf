import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture, type SignedIn } from '../../testing/fixture.ts'

let fixture: QueryFixture
let viewer: SignedIn
beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await fixture.person({ default: 'VIEWER' })
})
afterAll(() => fixture?.close())

const codeOf = ({ errors }: { errors?: readonly unknown[] }) =>
  (errors?.[0] as { extensions?: { code?: string } } | undefined)?.extensions?.code

test('five aliases of members fit into one operation, and six do not', async () => {
  const ask = (count: number) => {
    const aliases = Array.from({ length: count }, (_, i) => `a${i}: members { role }`)
    return fixture.execute(`{ ${aliases.join(' ')} }`, viewer.headers)
  }
  expect(codeOf((await ask(5)) as never)).toBeUndefined()
  expect((await ask(6)).errors).toHaveLength(1)
})

test('a person makes 60 changes a minute in a tenant, and another one is not limited by them', async () => {
  const change = async ({ headers }: SignedIn) =>
    codeOf((await fixture.execute('mutation { endSession(id: "x") }', headers)) as never)
  const codes = await Promise.all(Array.from({ length: 62 }, () => change(viewer)))
  const limited = codes.filter((code) => code === 'TOO_MANY_ATTEMPTS').length
  expect([1, 2]).toContain(limited)
  expect(await change(await fixture.person({ default: 'VIEWER' }))).toBe('SESSION_NOT_FOUND')
})
