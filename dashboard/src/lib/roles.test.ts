import { expect, test } from 'vitest'
import { grantable } from './roles.ts'

test('nobody can give or take a role above their own; the operator can give every one', () => {
  expect(grantable('VIEWER')).toEqual(['VIEWER'])
  expect(grantable('ADMIN')).toEqual(['VIEWER', 'EDITOR', 'ADMIN'])
  expect(grantable('OWNER')).toEqual(['VIEWER', 'EDITOR', 'ADMIN', 'OWNER'])
  expect(grantable(undefined)).toEqual(grantable('OWNER'))
})
