import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT } from '../core/lib/paths.ts'

/** The scripts that decide whether a change passes (.ci/run). */
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ci-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

const run = (script: string, ...args: string[]) =>
  new Promise<{ code: number; lines: string[] }>((resolve) => {
    const child = execFile(process.execPath, [join(ROOT, '.ci', script), ...args], (_, out) =>
      resolve({ code: child.exitCode ?? -1, lines: out.trimEnd().split('\n') }),
    )
  })

test.each([
  [{ numPassedTests: 7 }, '0', 0, '7 passed, 0 failed'],
  [{ numPassedTests: 7, numFailedTests: 2 }, '1', 1, '7 passed, 2 failed'],
  // A file that could not be loaded has no tests.
  [{ numPassedTests: 7, numFailedTestSuites: 1 }, '1', 1, '7 passed, 1 failed'],
  [{ numPassedTests: 7, numPendingTests: 3 }, '0', 1, '7 passed, 3 failed'],
  [{ numPassedTests: 0 }, '0', 1, '0 passed, 1 failed'],
  [{ numPassedTests: 7 }, '1', 1, '7 passed, 1 failed'],
  [undefined, '0', 1, '0 passed, 1 failed'],
])(
  'a report of %j with the status %s ends with %i and "%s"',
  async (counts, status, code, last) => {
    const file = join(newFolder(), 'report.json')
    const zeros = {
      numPassedTests: 0,
      numFailedTests: 0,
      numFailedTestSuites: 0,
      numPendingTests: 0,
    }
    if (counts) writeFileSync(file, JSON.stringify({ ...zeros, ...counts, testResults: [] }))
    const reported = await run('report.cjs', file, status)
    expect([reported.code, reported.lines.at(-1)]).toEqual([code, last])
  },
)

test('too few lines that ran are a failure, and each package has its minimum', {
  timeout: 180_000,
}, async () => {
  const folder = newFolder()
  mkdirSync(join(folder, 'vitest'))
  writeFileSync(join(folder, 'vitest/coverage-final.json'), '{}')
  const { code, lines } = await run('coverage.cjs', folder)
  expect(code).toBe(1)
  for (const name of ['contract', 'edge', 'core', 'dashboard'])
    expect(lines).toContain(`  ${name} is below 85 % of lines`)
})
