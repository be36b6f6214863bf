import { LIMITS } from '../contract/limits.ts'
import type { Step } from './context.ts'

/** No quotes, brackets or spaces: an id can be pasted into any log search as it is. */
const SANE = new RegExp(`^[A-Za-z0-9._:/+=@-]{1,${LIMITS.requestIdCharsMax}}$`)

/** The client's own id is kept, so that both sides' logs agree on it. */
export function requestId(): Step {
  return (c, next) => {
    const sent = c.req.raw.headers.get('x-request-id')
    const id = sent !== null && SANE.test(sent) ? sent : crypto.randomUUID()
    c.set('requestId', id)
    c.header('X-Request-Id', id)
    return next()
  }
}
