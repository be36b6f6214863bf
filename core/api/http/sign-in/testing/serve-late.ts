import type { Hono } from 'hono'
import { type Served, serveApp } from '../../serve.ts'

/** Listens before the app is there, because its settings need the port; until `serve` is called all is 503. */
export async function serveLate(): Promise<{ core: Served; serve(app: Hono): void }> {
  let handle: Hono['fetch'] = () => new Response(null, { status: 503 })
  const core = await serveApp({ fetch: (request, env) => handle(request, env) }, { port: 0 })
  return {
    core,
    serve(app) {
      handle = app.fetch
    },
  }
}
