import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { ROOT } from '../../core/lib/paths.ts'

const FILE = 'core/gateway/kafka-rest.engines.test.ts'
/** Maven is missing only while its downloads are missing too. */
const WHY = /Java 17(, Maven,)? and redis-server are not on this machine's PATH\./.source
/** A machine with neither Java nor Redis. */
const nothing = mkdtempSync(join(tmpdir(), 'sluice-path-'))
afterAll(() => rmSync(nothing, { recursive: true, force: true }))

test('without an engine its tests are skipped, and the run names them, the reason and the remedy', async () => {
  const { code, output } = await run([FILE])
  expect(output).toMatch(new RegExp(`SKIPPED, \\d+ test files that need real engines: ${WHY}`))
  for (const file of [
    FILE,
    'edge/admission/redis/upstash.engines.test.ts',
    'tests/system/compose.engines.test.ts',
  ])
    expect(output).toContain(`    ${file}\n`)
  expect(output).toMatch(/To run them: .*redis.*, then npm run test:engines/)
  expect(output).toMatch(/Tests +\d+ skipped \(\d+\)/)
  expect(code).toBe(0)
}, 120_000)

test.each([
  ['in CI', [FILE], { CI: 'true' }],
  ['in a run that asked for these tests', ['--project', 'engines', FILE], {}],
])(
  'a missing engine %s is a failure with the same message',
  async (_, args, env) => {
    const { code, output } = await run(args, env)
    expect(output).toMatch(new RegExp(`${WHY} To fix it: `))
    expect(output).not.toContain('SKIPPED')
    expect(code).toBe(1)
  },
  120_000,
)

/** A vitest run of its own, without this run's environment. */
async function run(args: string[], env: Record<string, string> = {}) {
  const ours = Object.entries(process.env).filter(([name]) => !/^(CI|VITEST|NODE_ENV)/.test(name))
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...args], {
    cwd: ROOT,
    env: { ...Object.fromEntries(ours), ...env, PATH: nothing },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 100_000,
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, output: stripVTControlCharacters(out + err) }
}
