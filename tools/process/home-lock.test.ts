import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { lockHome, unlockHome } from './home-lock.ts'
import { startStamp } from './processes.ts'

function createHome(lock?: string): string {
  const home = mkdtempSync(join(tmpdir(), 'sluice-lock-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  if (lock !== undefined) writeFileSync(join(home, 'lock'), lock)
  return home
}

test('a home is locked by one process at a time, and leaves nothing but the lock behind', () => {
  const home = createHome()
  expect([lockHome(home), lockHome(home)]).toEqual([undefined, process.pid])
  expect(readdirSync(home)).toEqual(['lock'])
  unlockHome(home)
  expect(readdirSync(home)).toEqual([])
  expect(lockHome(home)).toBeUndefined()
})

test('the lock of another process that still runs is respected', () => {
  const home = createHome(`${process.ppid} ${startStamp(process.ppid)}\n`)
  expect(lockHome(home)).toBe(process.ppid)
  expect(readdirSync(home)).toEqual(['lock'])
})

test.each([
  ['a process that was killed', '4194304 12345\n'],
  ['a process whose id was used again', `${process.ppid} 12345\n`],
  ['nobody, because a power failure left it empty', ''],
])('the lock of %s is taken over', (_, lock) => {
  const home = createHome(lock)
  expect([lockHome(home), lockHome(home)]).toEqual([undefined, process.pid])
})
