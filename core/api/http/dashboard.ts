import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { serveStatic } from '@hono/node-server/serve-static'
import type { Context, MiddlewareHandler } from 'hono'
import { sendProblem } from './problem.ts'

/** The paths of the dashboard's pages, as in dashboard/src/router.tsx and pages/settings/sections.ts. */
export const DASHBOARD_PAGES: readonly string[] = [
  '/',
  '/explore',
  '/pipeline',
  '/search',
  '/keys',
  '/settings',
  '/settings/metrics',
  '/settings/members',
  '/settings/sessions',
  '/settings/sign-in',
  '/settings/audit',
]

/**
 * The built dashboard. Files under assets/ have a hash in their names and are cached for ever; everything
 * else is revalidated each time. Other paths are 404: for a browser with the dashboard's own page about it, for anything
 * else, such as a health check, as a problem.
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
    const isPage = DASHBOARD_PAGES.includes(c.req.path)
    if (!isPage && !isForPerson(c)) return sendProblem(c, 'NOT_FOUND')
    const page = await index(c, next)
    if (!page) return sendProblem(c, 'NOT_FOUND')
    return isPage ? page : new Response(page.body, { status: 404, headers: page.headers })
  }
}

/** A browser that opens a page, and not one of its scripts or images. */
function isForPerson(c: Context): boolean {
  const { path } = c.req
  const isFile = /\.[^/]*$/.test(path) || path.startsWith('/assets/')
  const isApi = /^\/(?:api|v\d+|gateway|redis|graphql)(?:\/|$)/.test(path)
  return !isFile && !isApi && (c.req.header('accept')?.includes('text/html') ?? false)
}
