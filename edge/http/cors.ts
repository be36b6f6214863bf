import type { KeyRecord } from '../../contract/api-key.ts'
import { isOriginListed } from '../../contract/origin.ts'
import type { EdgeContext } from './context.ts'
import { HttpProblem } from './http-problem.ts'

/** Every answer has it until a key with a list of origins says otherwise; see docs/decisions/0008. */
export const ANY_ORIGIN = { 'access-control-allow-origin': '*' }

/**
 * Holds a key to its list of origins, and names the page's origin in whatever is answered from here
 * on. Only browsers send an Origin, so a key that is tied to pages may still be used by a server.
 * @throws ORIGIN_NOT_ALLOWED, which any page can read
 */
export function checkOrigin(c: EdgeContext, { origins }: KeyRecord): void {
  if (origins.length === 0) return
  const headers = c.get('headers')
  headers.vary = 'origin'
  const origin = c.req.raw.headers.get('origin')
  // An empty one is none: workerd does not even show it.
  if (!origin) return
  if (!isOriginListed(origin, origins)) throw new HttpProblem('ORIGIN_NOT_ALLOWED')
  headers['access-control-allow-origin'] = origin
}
