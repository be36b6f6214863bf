import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { bundle, ROOT } from '../testing/runtimes.ts'

// In Node and in workerd the vectors are replayed by tests that run there.

it('the golden vectors come out letter by letter in Deno', async () => {
  const script =
    "import { replay } from './contract/replay.ts'; console.log(JSON.stringify(await replay()))"
  const { stdout } = await promisify(execFile)(
    join(ROOT, 'node_modules/.bin/deno'),
    ['eval', '--no-lock', script],
    { cwd: ROOT, timeout: 30_000 },
  )
  expect(JSON.parse(stdout)).toEqual([])
}, 30_000)

it('the contract is bundled for browsers with its vectors, and they come out the same', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-contract-'))
  try {
    await bundle(folder, 'contract/testing/run-vectors.ts', true)
    const bundled = await import(join(folder, 'edge.js'))
    expect(await bundled.replay()).toEqual([])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 30_000)
