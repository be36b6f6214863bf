import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { serveStatic } from '@hono/node-server/serve-static'
import type { Context, MiddlewareHandler } from 'hono'
import { sendProblem } from './problem.ts'

/**
 * The built dashboard. Files under assets/ have a hash in their names and are cached for ever; everything
 * else is revalidated each time. A path without a file is a page of the app in index.html.
 */
export function dashboard(folder: string): MiddlewareHandler {
  const root = resolve(folder)
  const onFound = (_: string, c: Context) => {
    const hashed = c.req.path.startsWith('/assets/')
    c.header('Cache-Control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache')
  }
  let files: MiddlewareHandler | undefined
  let index: MiddlewareHandler | undefined

  return async (c) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return sendProblem(c, 'NOT_FOUND')
    // It may be built while core runs.
    if (!files || !index) {
      if (!existsSync(join(root, 'index.html'))) return sendProblem(c, 'DASHBOARD_NOT_BUILT')
      files = serveStatic({ root, onFound })
      index = serveStatic({ root, path: 'index.html', onFound })
    }
    const next = async () => {}
    const file = await files(c, next)
    if (file) return file
    const isPage = !/\.[^/]*$/.test(c.req.path) && !c.req.path.startsWith('/assets/')
    return (isPage && (await index(c, next))) || sendProblem(c, 'NOT_FOUND')
  }
}
