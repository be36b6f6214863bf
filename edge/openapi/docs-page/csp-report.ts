import { addressGroup } from '../../../contract/address-group.ts'
import { CSP_REPORT_BYTES_MAX, reportedDirectives } from '../../../contract/csp-report.ts'
import type { AddressOf } from '../../auth/authenticate.ts'
import { countOfStranger } from '../../http/body-count.ts'
import type { Budgets } from '../../http/budgets.ts'
import type { Handler } from '../../http/context.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { readBody } from '../../http/read-body.ts'
import type { Report } from '../../http/report.ts'
import { respond } from '../../http/respond.ts'

export const CSP_REPORT_PATH = '/docs/csp-report'

const WINDOW_MS = 60_000
/** Of all clients. Further ones are not read. */
const REPORTS_PER_MINUTE_MAX = 100
const REPORTS_PER_ADDRESS_MAX = 50
const DIRECTIVES_MAX = 50

export interface CspReportDeps {
  budgets: Budgets
  addressOf: AddressOf
  now: () => number
  report: Report
}

/**
 * POST /docs/csp-report: what browsers report when /docs broke its Content-Security-Policy. Counted by directive, with
 * a line for the first and then one a minute at the most, when the next report comes. (No timer: in workerd a timer
 * ends with the request that set it.)
 */
export function cspReport({ budgets, addressOf, now, report }: CspReportDeps): Handler {
  const directives = new Map<string, number>()
  let since = Number.NEGATIVE_INFINITY
  let received = 0
  let loggedAt = Number.NEGATIVE_INFINITY
  const byAddress = new Map<string, number>()

  return async (c) => {
    const at = now()
    if (Math.abs(at - since) >= WINDOW_MS) {
      since = at
      received = 0
      byAddress.clear()
    }
    const address = addressGroup(addressOf(c.req.raw, c.env) ?? '')
    const own = (byAddress.get(address) ?? 0) + 1
    if (own > REPORTS_PER_ADDRESS_MAX || ++received > REPORTS_PER_MINUTE_MAX) {
      await c.req.raw.body?.cancel()
      return respond(c, { status: 204, body: null })
    }
    // Browsers declare the length of their reports.
    const length = Number(c.req.header('content-length') ?? Number.NaN)
    byAddress.set(address, own)
    if (!(length <= CSP_REPORT_BYTES_MAX)) throw new HttpProblem('BODY_TOO_LARGE')
    const count = countOfStranger(budgets, address)
    const bytes = await readBody(c.req.raw, count).finally(count.release)
    for (const directive of reportedDirectives(parse(new TextDecoder().decode(bytes))))
      if (directives.has(directive) || directives.size < DIRECTIVES_MAX)
        directives.set(directive, (directives.get(directive) ?? 0) + 1)
    if (Math.abs(at - loggedAt) >= WINDOW_MS && directives.size > 0) {
      loggedAt = at
      const what = 'browsers reported violations of the Content-Security-Policy'
      report({ level: 'warn', what, directives: Object.fromEntries(directives) })
      directives.clear()
    }
    return respond(c, { status: 204, body: null })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
