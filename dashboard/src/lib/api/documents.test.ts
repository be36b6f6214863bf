import { expect, test } from 'vitest'
import { mayIn, roleIn, viewerOf } from './documents.ts'

const tenants = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: `t${i}`, hasEvents: false }))
const nobody = {
  ...{ isOperator: false, signedInAt: null, edgeUrl: null, person: null, onboarding: null },
  memberships: [],
}
const viewer = (count: number, named: { id: string; hasEvents: boolean }[]) =>
  viewerOf({ viewer: { ...nobody, kind: 'SESSION', tenants: tenants(count), named } }, 'shop')
const ids = (of: ReturnType<typeof viewer>) => of.tenants.map(({ id }) => id)

test('a hundred tenants are listed; with one more there are others to search for', () => {
  expect([ids(viewer(100, [])).length, viewer(100, []).hasMoreTenants]).toEqual([100, false])
  expect([ids(viewer(101, [])).length, viewer(101, []).hasMoreTenants]).toEqual([100, true])
})

test('the tenant of the URL is one of those known to exist only if it was found by its whole id', () => {
  expect(ids(viewer(101, [{ id: 'shop', hasEvents: true }])).at(-1)).toBe('shop')
  expect(ids(viewer(101, [{ id: 'shop-1', hasEvents: true }]))).not.toContain('shop-1')
  const listed = viewerOf(
    { viewer: { ...nobody, kind: 'KEY', tenants: tenants(2), named: tenants(1) } },
    't0',
  )
  expect([ids(listed), listed.namedTenant]).toEqual([['t0', 't1'], 't0'])
})

test('what may be done in a tenant is what its membership lists, and everything for the operator', () => {
  const memberships = [{ tenant: 'shop', role: 'EDITOR' as const, permissions: ['keys.read'] }]
  const may = (isOperator: boolean, tenant: string, permission: string) =>
    mayIn({ isOperator, memberships }, tenant, permission)
  expect(may(false, 'shop', 'keys.read')).toBe(true)
  expect(may(false, 'shop', 'keys.manage')).toBe(false)
  expect(may(false, 'other', 'keys.read')).toBe(false)
  expect(may(true, 'other', 'keys.manage')).toBe(true)
  expect([roleIn({ memberships }, 'shop'), roleIn({ memberships }, 'other')]).toEqual([
    'EDITOR',
    undefined,
  ])
})
