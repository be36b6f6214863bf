import { expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createTenants } from './tenant-settings.ts'

function setUp() {
  let nowMs = 1_000_000
  const asked: string[][] = []
  const known = new Map([
    ['acme', 1],
    ['beta', 2],
  ])
  const tenants = createTenants(
    async (_, [slugs]) => {
      asked.push(slugs as string[])
      return {
        rows: (slugs as string[]).flatMap((slug) => {
          const id = known.get(slug)
          return id ? [{ tenant_id: id, slug, event_age_max_s: 60 * id, schemas_version: '0' }] : []
        }),
      }
    },
    () => nowMs,
  )
  return {
    asked,
    known,
    tenants,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

test('tenants are looked up once, all that are unknown in one query, and an unknown one each time', async () => {
  const { tenants, asked } = setUp()
  await tenants.learn(['acme', 'acme', 'ghost'])
  await tenants.learn(['acme'])
  await tenants.learn([])
  await tenants.learn(['acme', 'beta', 'ghost'])
  expect(asked).toEqual([
    ['acme', 'ghost'],
    ['beta', 'ghost'],
  ])
  expect(tenants.get('beta')).toEqual({ id: 2, eventAgeMaxS: 120, enrich: [], schemasVersion: 0 })
  expect(tenants.get('ghost')).toBeUndefined()
  expect(tenants.get('acme')).toEqual({ id: 1, eventAgeMaxS: 60, enrich: [], schemasVersion: 0 })
})

test('what is known is asked for again exactly when it is stale, and then all of it is', async () => {
  const { tenants, asked, known, pass } = setUp()
  await tenants.learn(['acme', 'beta'])
  pass(LIMITS.tenantCacheMs - 1)
  await tenants.learn(['acme'])
  expect(asked).toHaveLength(1)
  known.delete('acme')
  pass(1)
  await tenants.learn(['acme'])
  expect(asked.slice(1)).toEqual([['acme']])
  expect(tenants.get('acme')).toBeUndefined()
  // Forgotten too, and fresh for another while.
  await tenants.learn(['beta'])
  pass(LIMITS.tenantCacheMs - 1)
  await tenants.learn(['beta'])
  expect(asked.slice(2)).toEqual([['beta']])
})

test('the batch before is written with what was known, and an id that no batch named is an error', async () => {
  const { tenants, known, pass } = setUp()
  await tenants.learn(['acme'])
  known.delete('acme')
  pass(LIMITS.tenantCacheMs)
  await tenants.learn(['acme'])
  expect(tenants.byId(1)).toEqual({ id: 1, eventAgeMaxS: 60, enrich: [], schemasVersion: 0 })
  expect(() => tenants.byId(2)).toThrow('tenant 2 was not loaded')
})

test('a cache with too many tenants is emptied before its time', async () => {
  const { tenants, known, asked } = setUp()
  const slugs = Array.from({ length: LIMITS.tenantCacheEntriesMax }, (_, i) => `t${i}`)
  for (const [i, slug] of slugs.entries()) known.set(slug, 10 + i)
  await tenants.learn(slugs)
  await tenants.learn(['t0'])
  expect(asked).toHaveLength(1)
  await tenants.learn(['acme'])
  await tenants.learn(['t0'])
  expect(asked.at(-1)).toEqual(['t0'])
  expect(tenants.get('t1')).toBeUndefined()
})

test('what a tenant has derived is known, but for what this version cannot derive', async () => {
  const enrich = ['geo', 'of a later version', 'utm']
  const row = { tenant_id: 3, slug: 'shop', event_age_max_s: 60, enrich }
  const tenants = createTenants(async () => ({ rows: [row] }))
  await tenants.learn(['shop'])
  expect(tenants.get('shop')?.enrich).toEqual(['geo', 'utm'])
})
