import { addressGroup } from '../../contract/address-group.ts'
import { ERRORS, type ErrorCode } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { EdgeContext } from './context.ts'
import type { Report } from './report.ts'

/** Who was refused what: never a key, a header or an event's content. */
export interface SecurityEvent {
  name: 'credentials-refused' | 'access-denied' | 'limit-exceeded'
  outcome: 'denied'
  /** Of the error that the client got. */
  code: ErrorCode
  /** The key's id, once the key is known. */
  actor?: string
  tenant?: string
  address?: string
}

export interface SecurityLog {
  /** Does nothing for errors that are not about rights and limits. */
  denied(c: EdgeContext, code: ErrorCode, address: string | undefined): void
}

const NAMES: Partial<Record<ErrorCode, SecurityEvent['name']>> = {
  KEY_UNKNOWN: 'credentials-refused',
  SCOPE_MISSING: 'access-denied',
  ORIGIN_NOT_ALLOWED: 'access-denied',
  HISTORICAL_NOT_ALLOWED: 'access-denied',
  RATE_LIMITED: 'limit-exceeded',
  TOO_MANY_STREAMS: 'limit-exceeded',
  OVERLOADED: 'limit-exceeded',
  KEYS_UNAVAILABLE: 'limit-exceeded',
}

const WINDOW_MS = 60_000

/**
 * Denials, counted: a line for the first of a kind within a minute, and one with the count of the others when
 * the next denial comes after it. (No timer: in workerd a timer ends with the request that set it.) A kind is code,
 * key and address (or /64, of which the first address is logged); beyond LIMITS.deniedKindsMax they share one count, so a flood from many addresses cannot
 * fill memory or the log.
 */
export function createSecurityLog(report: Report, now: () => number): SecurityLog {
  let since = now()
  let repeated = new Map<string, { event: SecurityEvent; count: number }>()
  let others = 0

  function roll(): void {
    const at = now()
    if (at - since < WINDOW_MS && at >= since) return
    for (const { event, count } of repeated.values())
      if (count > 0) report({ level: 'warn', what: REPEATED, security: { ...event, count } })
    if (others > 0) report({ level: 'warn', what: REPEATED, security: { count: others } })
    since = at
    repeated = new Map()
    others = 0
  }

  return {
    denied(c, code, address) {
      const name = NAMES[code]
      if (name === undefined) return
      roll()
      const key = c.get('key')
      const kind = `${code} ${key?.key_id} ${address === undefined ? '' : addressGroup(address)}`
      const known = repeated.get(kind)
      if (known) known.count++
      else if (repeated.size >= LIMITS.deniedKindsMax) others++
      else {
        const event: SecurityEvent = {
          name,
          outcome: 'denied',
          code,
          ...(key && { actor: key.key_id, tenant: key.tenant }),
          ...(address !== undefined && { address }),
        }
        repeated.set(kind, { event, count: 0 })
        const what = `security event: ${ERRORS[code].status} ${code}`
        report({ level: 'warn', what, requestId: c.get('requestId'), security: event })
      }
    },
  }
}

const REPEATED = 'security event repeated within a minute'
