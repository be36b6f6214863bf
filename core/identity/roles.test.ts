import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../lib/paths.ts'
import { ALL_PERMISSIONS, KEY_PERMISSIONS, PERMISSIONS, permissionsOf, ROLES } from './roles.ts'

test('docs/identity.md shows the table of permissions as it is', () => {
  const page = readFileSync(join(ROOT, 'docs', 'identity.md'), 'utf8')
  const [, table] = /<!-- permissions -->\n([\s\S]*?)<!-- \/permissions -->/.exec(page) ?? []
  const lowest = (role: string) =>
    role === 'PERSON' ? 'everybody who is signed in' : role.toLowerCase()
  const rows = ALL_PERMISSIONS.map((permission) => {
    const scopes = KEY_PERMISSIONS[permission]?.map((scope) => `\`${scope}\``).join(', ') ?? '—'
    return `| \`${permission}\` | ${lowest(PERMISSIONS[permission])} | ${scopes} |\n`
  })
  expect(table?.split('\n').slice(2).join('\n')).toBe(rows.join(''))
})

test('each role may do all that the one before may do, and more', () => {
  const counts = ROLES.map((role) => permissionsOf(role).length)
  for (const [i, role] of ROLES.entries()) {
    const before = ROLES[i - 1]
    if (before) expect(permissionsOf(role)).toEqual(expect.arrayContaining(permissionsOf(before)))
    expect(permissionsOf(role)).not.toContain('system.operate')
    expect(permissionsOf(role)).not.toContain('tenants.create')
  }
  expect(counts.slice(0, 3)).toEqual([...new Set(counts.slice(0, 3))].sort((a, b) => a - b))
})
