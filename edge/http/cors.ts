import type { KeyRecord } from '../../contract/api-key.ts'
import { isOriginListed } from '../../contract/origin.ts'
import type { EdgeContext } from './context.ts'
import { HttpProblem } from './http-problem.ts'

/**
 * Checks the page's origin against the key's list, and names it in every response from here on. Only
 * browsers send an Origin, so a key that is restricted to origins may still be used by a server.
 * @throws ORIGIN_NOT_ALLOWED; any page may read that response
 */
export function checkOrigin(c: EdgeContext, { origins }: KeyRecord): void {
  if (origins.length === 0) return
  const headers = c.get('headers')
  headers.vary = 'origin'
  const origin = c.req.raw.headers.get('origin')
  // An empty Origin counts as missing: workerd does not expose it at all.
  if (!origin) return
  if (!isOriginListed(origin, origins)) throw new HttpProblem('ORIGIN_NOT_ALLOWED')
  headers['access-control-allow-origin'] = origin
}
