import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { bundle, ROOT } from '../testing/runtimes.ts'

// Node and workerd run the vectors in tests of their own.

it('the contract returns the expected bytes for every golden vector in Deno', async () => {
  const script =
    "import { runVectors } from './contract/testing/run-vectors.ts'; console.log(JSON.stringify(await runVectors()))"
  const { stdout } = await promisify(execFile)(
    join(ROOT, 'node_modules/.bin/deno'),
    ['eval', '--no-lock', script],
    { cwd: ROOT, timeout: 30_000 },
  )
  expect(JSON.parse(stdout)).toEqual([])
}, 30_000)

it('the contract bundled for browsers returns the expected bytes for every golden vector', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-contract-'))
  try {
    await bundle(folder, 'contract/testing/run-vectors.ts', true)
    const bundled = await import(join(folder, 'edge.js'))
    expect(await bundled.runVectors()).toEqual([])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 30_000)
