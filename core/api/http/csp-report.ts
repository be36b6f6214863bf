import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { CSP_REPORT_BYTES_MAX, reportedDirectives } from '../../../contract/csp-report.ts'
import type { Logger } from '../../lib/logger.ts'
import { createTokenBuckets } from '../../lib/token-buckets.ts'
import { type AddressOf, clientOf } from './client.ts'
import { allowOnly, sendProblem } from './problem.ts'

const REPORTS_PER_MINUTE = 20
const LOGGED_EVERY_MS = 60_000
const DIRECTIVES_MAX = 50

/**
 * POST /csp-report: what browsers report of pages that broke their Content-Security-Policy. Counted by directive, with a
 * line a minute; addresses of pages and scripts are not logged, since anybody may write anything there.
 */
export function cspReport(logger: Partial<Pick<Logger, 'warn'>>, addressOf?: AddressOf): Hono {
  const app = new Hono()
  const buckets = createTokenBuckets({ perMinute: REPORTS_PER_MINUTE })
  const counts = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined

  function count(directive: string): void {
    if (!counts.has(directive) && counts.size >= DIRECTIVES_MAX) return
    counts.set(directive, (counts.get(directive) ?? 0) + 1)
    if (timer) return
    timer = setTimeout(() => {
      timer = undefined
      logger.warn?.(
        { directives: Object.fromEntries(counts) },
        'browsers reported violations of the Content-Security-Policy',
      )
      counts.clear()
    }, LOGGED_EVERY_MS).unref()
  }

  const tooLarge = bodyLimit({
    maxSize: CSP_REPORT_BYTES_MAX,
    onError: (c) => sendProblem(c, 'BODY_TOO_LARGE'),
  })
  app.post('/csp-report', tooLarge, async (c) => {
    if (!buckets.take(clientOf(c, addressOf).address ?? ''))
      return sendProblem(c, 'TOO_MANY_ATTEMPTS', { 'Retry-After': '60' })
    for (const directive of reportedDirectives(await c.req.json().catch(() => undefined)))
      count(directive)
    return c.body(null, 204)
  })
  app.all('/csp-report', allowOnly('POST'))
  return app
}
