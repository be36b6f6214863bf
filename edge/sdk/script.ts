import type { EdgeContext } from '../http/context.ts'
import { respond } from '../http/respond.ts'
import { ETAG, SLUICE_JS } from './sluice-js/minified.ts'

/** The script for web pages. Its name has no version, so pages get a new one within the hour. */
export function sluiceJs(c: EdgeContext): Response {
  Object.assign(c.get('headers'), {
    etag: ETAG,
    'cache-control': 'public, max-age=3600, stale-while-revalidate=86400',
    'cross-origin-resource-policy': 'cross-origin',
    'timing-allow-origin': '*',
    'x-content-type-options': 'nosniff',
  })
  if (isCached(c.req.raw.headers.get('if-none-match')))
    return respond(c, { status: 304, body: null })
  return respond(c, { status: 200, type: 'text/javascript; charset=utf-8', body: SLUICE_JS })
}

/** Weakly compared (RFC 9110 §13.1.2): proxies that compress weaken the tag. */
function isCached(sent: string | null): boolean {
  if (sent === null) return false
  return sent.split(',').some((tag) => ['*', ETAG].includes(tag.trim().replace(/^W\//, '')))
}
