import { expect, it } from 'vitest'
import { packageOf } from './packages.ts'
import { scoreOf } from './score.ts'

it('a score counts mutants that time out as noticed, code without a test as not, and rounds down', () => {
  const statuses = [
    ...Array(5).fill('Killed'),
    'Timeout',
    'Survived',
    'NoCoverage',
    'Ignored',
    'RuntimeError',
  ]
  expect(scoreOf('contract', statuses)).toEqual({
    package: 'contract',
    killed: 5,
    survived: 1,
    timeout: 1,
    noCoverage: 1,
    score: 75,
  })
  expect(scoreOf('contract', ['Killed', 'Killed', 'Survived']).score).toBe(66.6)
  expect(scoreOf('contract', ['Ignored']).score).toBe(100)
})

it('a file belongs to the package that mutates it, and a test file to none', () => {
  expect(packageOf('contract/event/normalise.ts')).toBe('contract')
  expect(packageOf('contract/testing/model.ts')).toBeUndefined()
  expect(packageOf('cli/bin.mjs')).toBeUndefined()
})
