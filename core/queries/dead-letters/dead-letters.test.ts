import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../../api/graphql/testing/fixture.ts'
import { findDeadLetter, listDeadLetters } from './dead-letters.ts'

let fixture: QueryFixture
beforeAll(async () => {
  fixture = await createQueryFixture()
  await fixture.database.pool.query(
    `INSERT INTO dead_letter (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, received_at)
     SELECT (SELECT tenant_id FROM tenant WHERE slug = CASE WHEN i < 45 THEN 'default' WHEN i < 48 THEN 'other' END),
            CASE WHEN i % 2 = 0 THEN 'TOO_OLD' ELSE 'TOO_NEW' END, 'detail', '', convert_to('{"i":' || i || '}', 'UTF8'),
            'events.raw', 0, i, '2026-11-20T00:00:00Z'::timestamptz + i / 10 * interval '1 s'
       FROM generate_series(0, 49) i`,
  )
})
afterAll(() => fixture.close())

interface Page {
  edges: { node: { offset: string } }[]
  pageInfo: { hasNextPage: boolean; endCursor: string }
}

test('a key pages through the dead letters of its own tenant, each once, newest first', async () => {
  const headers = await fixture.keyOf('default')
  // The last page is full, or not.
  for (const size of [15, 20]) {
    const pages: string[][] = []
    for (let after = ''; ; ) {
      const { data, errors } = await fixture.execute(
        `{ deadLetters(first: ${size}${after}) { edges { node { reason original offset } } pageInfo { hasNextPage endCursor } } }`,
        headers,
      )
      expect(errors).toBeUndefined()
      const { edges, pageInfo } = data.deadLetters as Page
      pages.push(edges.map(({ node }) => node.offset))
      if (!pageInfo.hasNextPage) break
      after = `, after: "${pageInfo.endCursor}"`
    }
    expect(pages.flat()).toEqual(Array.from({ length: 45 }, (_, i) => String(44 - i)))
    expect(pages).toHaveLength(3)
  }
  const foreign = await fixture.execute(
    '{ deadLetters(tenant: "other") { edges { cursor } } }',
    headers,
  )
  expect(foreign.errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  for (const args of ['first: 21', 'last: 1', 'after: "x"']) {
    const refused = await fixture.execute(`{ deadLetters(${args}) { edges { cursor } } }`, headers)
    expect(refused.errors?.[0]?.extensions.code, args).toBe('BAD_USER_INPUT')
  }
})

test('the operator sees the dead letters of all tenants and of none, and what was received', async () => {
  const all = await listDeadLetters(fixture.db, { limit: 100 })
  expect(all).toHaveLength(50)
  expect(all.filter(({ tenant }) => tenant === null)).toHaveLength(2)
  const other = await listDeadLetters(fixture.db, { tenant: 'other', reason: 'TOO_OLD', limit: 9 })
  expect(other.map(({ original }) => original)).toEqual(['{"i":46}'])
  expect(await findDeadLetter(fixture.db, other[0]?.id ?? '')).toEqual(other[0])
  expect(await findDeadLetter(fixture.db, 'x')).toBeUndefined()
})
