import { addressGroup } from '../../contract/address-group.ts'
import type { Logger } from './logger.ts'

/** What happened, as a stable name that alerts can match. */
export type SecurityEventName =
  | 'sign-in'
  | 'sign-out'
  | 'session-ended'
  | 'api-key-created'
  | 'api-key-changed'
  | 'api-key-revoked'
  | 'api-key-rotated'
  | 'tenant-created'
  | 'tenant-changed'
  | 'member-changed'
  | 'operator-changed'
  | 'metric-declared'
  | 'metric-retired'
  | 'credentials-refused'
  | 'access-denied'
  | 'limit-exceeded'
  | 'cross-site-refused'

export interface SecurityEvent {
  name: SecurityEventName
  outcome: 'allowed' | 'denied'
  /** key_id, gateway user, "operator" or "cli"; never a secret. */
  actor?: string
  tenant?: string
  /** IP address of the client. */
  address?: string
  requestId?: string
  /** The code of the error that the client got, or what was changed, by its name; never what else the client sent. */
  detail?: string
}

export interface RecordOptions {
  /** Whether the audit log has an entry of it already. */
  isAudited?: boolean
}

/**
 * Security events as structured log lines. Denials are counted: a line for the first of a kind, then one a minute. The
 * addresses of an IPv6 /64 are one client, of which the first is logged.
 */
export interface SecurityLog {
  record(event: SecurityEvent, options?: RecordOptions): void
  /** Writes the counts that are still open. */
  close(): void
}

const WINDOW_MS = 60_000
/** Kinds of denials counted at a time, of known senders and of others; beyond it they share one count. */
const KINDS_MAX = 1_000

/** Names senders who showed who they are: a key, a person, or a session of the operator. */
export const KNOWN_SENDER = /^(key|person|session) (.+)$/

/**
 * @param onDenied called with the first denial of a kind, once a minute, and with each denial beyond the kinds that are
 *   counted; not with what is audited
 */
export function createSecurityLog(
  logger: Pick<Logger, 'info' | 'warn'>,
  onDenied: (event: SecurityEvent) => void = () => {},
): SecurityLog {
  /** Denials of the running minute beyond the first of their kind. */
  let repeated = new Map<string, { event: SecurityEvent; count: number }>()
  let kinds = { known: 0, others: 0 }
  let timer: NodeJS.Timeout | undefined

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    for (const { event, count } of repeated.values())
      if (count > 0)
        logger.warn({ security: { ...event, count } }, 'security event repeated within a minute')
    repeated = new Map()
    kinds = { known: 0, others: 0 }
  }

  return {
    record(event, { isAudited = false } = {}) {
      if (event.outcome === 'allowed') {
        logger.info({ security: event }, 'security event')
        return
      }
      timer ??= setTimeout(flush, WINDOW_MS).unref()
      const kind = kindOf(event)
      const known = repeated.get(kind)
      if (known) {
        known.count++
        return
      }
      const sender = KNOWN_SENDER.test(event.actor ?? '') ? 'known' : 'others'
      if (!isAudited) onDenied(event)
      if (kinds[sender] < KINDS_MAX) {
        kinds[sender]++
        repeated.set(kind, { event, count: 0 })
        logger.warn({ security: event }, 'security event')
        return
      }
      const rest = repeated.get('')
      if (rest) rest.count++
      else
        repeated.set('', {
          event: { name: event.name, outcome: 'denied', detail: 'other kinds' },
          count: 1,
        })
    },
    close: flush,
  }
}

function kindOf({ name, actor, tenant, address, detail }: SecurityEvent): string {
  const group = address === undefined ? undefined : addressGroup(address)
  return JSON.stringify([name, actor, tenant, group, detail])
}
