import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'
import { send } from '../../testing/send.ts'

const SOURCE = fileURLToPath(new URL('../../sdk/sluice-js/sluice.ts', import.meta.url))

/** The script on one line, for browsers since 2020. */
async function minify(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      copyPublicDir: false,
      target: 'es2020',
      minify: true,
      lib: { entry: SOURCE, formats: ['iife'], name: 'sluice' },
    },
  })
  const [first] = [built].flat()
  if (!first || !('output' in first)) throw new Error('vite built nothing')
  return first.output[0].code.trim()
}

it('the served sluice.js is the minified source (run this test with -u after a change of the source)', async () => {
  const code = await minify()
  const hash = createHash('sha256').update(code).digest('hex').slice(0, 16)
  const module = [
    '// Made from sluice.ts by edge/conformance/formats/sluice-js.test.ts; see there.',
    '',
    `export const ETAG = '"${hash}"'`,
    '',
    'export const SLUICE_JS =',
    '  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code',
    `  '${code.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`,
    '',
  ]
  await expect(module.join('\n')).toMatchFileSnapshot('../../sdk/sluice-js/minified.ts')
}, 30_000)

it('the served sluice.js is smaller than 2 kB', async () => {
  const { SLUICE_JS } = await import('../../sdk/sluice-js/minified.ts')
  expect(gzipSync(SLUICE_JS).length).toBeLessThan(2_000)
  // It needs no eval in a page's Content-Security-Policy, and is plain ASCII.
  expect(SLUICE_JS).not.toMatch(/\beval\b|\bFunction\(|[^\x20-\x7e]/)
})

describeEdges('/sluice.js', (harness) => {
  const get = (headers = {}, method = 'GET') =>
    send(harness.edge.port, { method, path: '/sluice.js', headers })

  it('can be loaded by any page and is cached for an hour', async () => {
    const { SLUICE_JS, ETAG } = await import('../../sdk/sluice-js/minified.ts')
    const { status, headers, text } = await get()
    expect([status, text]).toEqual([200, SLUICE_JS])
    expect(headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=3600, stale-while-revalidate=86400',
      'cross-origin-resource-policy': 'cross-origin',
      'access-control-allow-origin': '*',
      etag: ETAG,
    })
    expect(await get({}, 'HEAD')).toMatchObject({ status: 200, text: '' })
  })

  it('gets a 304 when the client has it', async () => {
    const { etag } = (await get()).headers as { etag: string }
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const { status, text, headers } = await get({ 'if-none-match': known })
      expect([status, text, headers.etag]).toEqual([304, '', etag])
    }
    expect((await get({ 'if-none-match': '"other"' })).status).toBe(200)
  })

  it('rejects POST', async () => {
    const { status, headers } = await get({}, 'POST')
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS'])
  })
})
