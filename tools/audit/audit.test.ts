import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../../core/lib/paths.ts'
import { productionPackages } from './production-packages.ts'
import { isInRange } from './version-range.ts'

interface Advisories {
  reviewed: string
  advisories: { id: string; package: string; vulnerable: string; severity: string }[]
}
const { reviewed, advisories }: Advisories = JSON.parse(
  readFileSync(join(ROOT, 'tools/audit/advisories.json'), 'utf8'),
)
const packages = productionPackages()

test('the list of production packages is committed, so that a new one is a visible change', () => {
  const listed = readFileSync(join(ROOT, 'tools/audit/production-packages.txt'), 'utf8')
  const locked = packages.map(({ name, version, license }) => `${name}@${version} ${license}`)
  // After a deliberate change, npm run sbom:list writes the list.
  expect(listed.trim().split('\n')).toEqual(locked)
})

test('no production package has a version of a known advisory', () => {
  expect(reviewed).toMatch(/^\d{4}-\d\d-\d\d$/)
  const found = packages.flatMap(({ name, version }) =>
    advisories
      .filter((each) => each.package === name && isInRange(version, each.vulnerable))
      .map(({ id }) => `${name}@${version}: ${id}`),
  )
  expect(found).toEqual([])
})

test('ranges of advisories are compared by number, and pre-releases as their release', () => {
  expect(isInRange('1.10.0', '>=1.2.0 <1.9.9')).toBe(false)
  expect(isInRange('1.2.3', '>=1.2.0 <1.2.5 || <1.1.3')).toBe(true)
  expect(isInRange('1.1.2', '>=1.2.0 <1.2.5 || <1.1.3')).toBe(true)
  expect(isInRange('1.2.5', '>=1.2.0 <1.2.5')).toBe(false)
  expect(isInRange('1.2.5-beta.1', '<=1.2.5')).toBe(true)
  expect(() => isInRange('1.0.0', '^1.0.0')).toThrow(RangeError)
  for (const { vulnerable } of advisories) isInRange('1.0.0', vulnerable)
})
