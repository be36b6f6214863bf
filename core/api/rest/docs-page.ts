import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { type Context, Hono } from 'hono'
import { allowOnly, sendProblem } from '../http/problem.ts'

const packages = createRequire(import.meta.url)
const { version } = packages('swagger-ui-dist/package.json') as { version: string }
/** With the version in it, so that browsers keep the files for good. */
const FOLDER = `/v1/docs/${version}`
const FILES = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
} as const

/**
 * No request leaves for another origin (`validatorUrl`), and a key lives in the page's memory alone: it is gone with a
 * reload (`persistAuthorization`).
 */
const SCRIPT = `window.addEventListener('load', () => {
  window.ui = SwaggerUIBundle({
    url: '/v1/openapi.json',
    dom_id: '#docs',
    tryItOutEnabled: true,
    persistAuthorization: false,
    validatorUrl: null,
    queryConfigEnabled: false,
    syntaxHighlight: { activated: false },
    presets: [SwaggerUIBundle.presets.apis],
  })
})
`

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>REST · Sluice</title>
<link rel="icon" href="/favicon.svg">
<link rel="stylesheet" href="${FOLDER}/swagger-ui.css">
<main id="docs"><noscript>This page needs JavaScript; /v1/openapi.json describes the same.</noscript></main>
<script src="${FOLDER}/swagger-ui-bundle.js"></script>
<script src="/v1/docs/start.js"></script>
</html>
`

/** GET /v1/docs: every path of /v1/openapi.json, to be tried. All files are our own; core's Content-Security-Policy holds. */
export function docsPage(): Hono {
  const app = new Hono()
  const compressed = new Map<string, Promise<Buffer<ArrayBuffer>>>()

  async function sendFile(c: Context, name: keyof typeof FILES) {
    const path = packages.resolve(`swagger-ui-dist/${name}`)
    const headers = {
      'Content-Type': FILES[name],
      'Cache-Control': 'public, max-age=31536000, immutable',
      Vary: 'Accept-Encoding',
    }
    if (!/\bgzip\b/.test(c.req.header('accept-encoding') ?? ''))
      return c.body(await readFile(path), 200, headers)
    const body = compressed.get(name) ?? readFile(path).then((file) => promisify(gzip)(file))
    compressed.set(name, body)
    return c.body(await body, 200, { ...headers, 'Content-Encoding': 'gzip' })
  }

  app.get('/v1/docs', (c) => c.html(PAGE))
  app.get('/v1/docs/start.js', (c) =>
    c.body(SCRIPT, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }),
  )
  for (const name of Object.keys(FILES) as (keyof typeof FILES)[])
    app.get(`${FOLDER}/${name}`, (c) => sendFile(c, name))
  app.all('/v1/docs', allowOnly('GET, HEAD'))
  app.all('/v1/docs/*', (c) => sendProblem(c, 'NOT_FOUND'))
  return app
}
