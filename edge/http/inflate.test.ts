import { expect, it } from 'vitest'
import { inflateInto } from './inflate.ts'

// Elsewhere the output of a slice comes later: `npm run mutate` runs in Node.
const itInWorkerd = it.runIf(navigator.userAgent === 'Cloudflare-Workers')

itInWorkerd('the output of a slice is read before the next slice is written', async () => {
  const size = 16 * 1024 * 1024
  const packed = await new Response(
    new Blob([new Uint8Array(size)]).stream().pipeThrough(new CompressionStream('gzip')),
  ).bytes()
  let unpacked = 0
  const inflater = inflateInto('gzip', (chunk) => {
    unpacked += chunk.byteLength
  })
  const sizes: number[] = []
  for (let from = 0; from < packed.byteLength; from += 1024) {
    await inflater.write(packed.subarray(from, from + 1024))
    sizes.push(unpacked)
  }
  // Every slice but the first and the last is a thousandth of what it holds.
  for (const [i, after] of sizes.slice(0, -2).entries())
    expect(after).toBeGreaterThan((i + 1) * 900 * 1024)
  await inflater.end()
  expect(unpacked).toBe(size)
})
