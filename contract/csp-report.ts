import { isObject } from './json/is-object.ts'

export const CSP_REPORT_BYTES_MAX = 16 * 1024

/**
 * The directives that a report of a browser names, in the Reporting API's form or the older one. Anybody may send one
 * with anything in it, so nothing else of it is used.
 */
export function reportedDirectives(body: unknown): string[] {
  const reports = Array.isArray(body) ? body.slice(0, 20) : [body]
  return reports.flatMap((report) => {
    if (!isObject(report)) return []
    const details = isObject(report.body) ? report.body : report['csp-report']
    if (!isObject(details)) return []
    const directive = details.effectiveDirective ?? details['effective-directive']
    return typeof directive === 'string' && /^[a-z-]{1,32}$/.test(directive) ? [directive] : []
  })
}
