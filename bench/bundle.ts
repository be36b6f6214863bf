import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { bundle } from '../edge/testing/runtimes.ts'

/** The size of what Cloudflare loads for a new isolate: the edge, minified and gzipped. */
const KB_MAX = 150
const { values: options } = parseArgs({ options: { json: { type: 'boolean', default: false } } })

const folder = await mkdtemp(join(tmpdir(), 'sluice-bundle-'))
try {
  await bundle(folder, 'edge/entry/cloudflare.ts', true)
  const built = await readFile(join(folder, 'edge.js'))
  const [kB, gzippedKB] = [built.length / 1000, gzipSync(built, { level: 9 }).length / 1000]
  if (options.json) console.log(JSON.stringify({ kB, gzippedKB, gzippedKBMax: KB_MAX }))
  else
    console.log(
      `edge: ${kB.toFixed(0)} kB minified, ${gzippedKB.toFixed(1)} kB gzipped (at most ${KB_MAX})`,
    )
  if (gzippedKB > KB_MAX) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
