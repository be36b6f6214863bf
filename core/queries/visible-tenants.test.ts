import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../api/graphql/testing/fixture.ts'
import { QUERY_LIMITS } from './limits.ts'

let fixture: QueryFixture
let session: Record<string, string>
beforeAll(async () => {
  fixture = await createQueryFixture()
  session = await fixture.session()
  // In an order of creation that is not that of the alphabet.
  await fixture.database.pool.query(`
    INSERT INTO tenant (slug) SELECT 'shop-' || i FROM generate_series(1500, 1, -1) i;
    INSERT INTO tenant (slug) VALUES ('my-shop'), ('shop'), ('a-b')`)
})
afterAll(() => fixture.close())

async function find(args: string, headers = session): Promise<string[]> {
  const { data, errors } = await fixture.execute(
    `{ viewer { tenants${args && `(${args})`} { id } } }`,
    headers,
  )
  if (errors) throw new Error(String(errors[0]?.extensions?.code))
  return data.viewer.tenants.map(({ id }: { id: string }) => id)
}

test('without arguments the first tenants are listed, in the order of their creation', async () => {
  const listed = await find('')
  expect(listed).toHaveLength(QUERY_LIMITS.tenantsListedMax)
  expect(listed.slice(0, 3)).toEqual(['default', 'other', 'shop-1500'])
})

test('each tenant is found by its id, however many there are that contain it, and the best match is first', async () => {
  expect(await find('search: "shop", first: 3')).toEqual(['shop', 'shop-1', 'shop-10'])
  expect(await find('search: "SHOP-149", first: 2')).toEqual(['shop-149', 'shop-1490'])
  expect(await find('search: "y-s"')).toEqual(['my-shop'])
  expect((await find('search: "shop", after: "shop-999"')).slice(-1)).toEqual(['my-shop'])
})

test('a search finds exactly its text: no character of it stands for others', async () => {
  for (const search of ['%', '_', 'a_b', 'shop%', '\\\\', "'", 'no such tenant', 'x'.repeat(1_024)])
    expect(await find(`search: "${search}"`), search).toEqual([])
  expect(await find('search: "a-b"')).toEqual(['a-b'])
  await expect(find('search: "\\u0000"')).rejects.toThrow('BAD_USER_INPUT')
  await expect(find('after: "\\u0000"')).rejects.toThrow('BAD_USER_INPUT')
  expect(await find('search: "", first: 1')).toEqual(['default'])
})

test('pages list each tenant once, with and without a search', async () => {
  for (const [search, total] of [
    ['', 1_505],
    ['search: "shop", ', 1_502],
  ] as const) {
    const seen: string[] = []
    for (let after = ''; ; ) {
      const page = await find(`${search}first: 400${after}`)
      seen.push(...page)
      if (page.length < 400) break
      after = `, after: "${page.at(-1)}"`
    }
    expect(seen).toHaveLength(total)
    expect(new Set(seen).size).toBe(total)
  }
  for (const args of ['first: 0', `first: ${QUERY_LIMITS.tenantsListedMax + 1}`])
    await expect(find(args)).rejects.toThrow('BAD_USER_INPUT')
})

test('a key finds its own tenant only', async () => {
  const headers = await fixture.keyOf('other')
  expect(await find('', headers)).toEqual(['other'])
  expect(await find('search: "OTH"', headers)).toEqual(['other'])
  expect(await find('search: "shop"', headers)).toEqual([])
  expect(await find('search: "o", after: "default"', headers)).toEqual(['other'])
})
