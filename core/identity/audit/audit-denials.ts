import type { Database } from '../../db/database.ts'
import type { Logger } from '../../lib/logger.ts'
import { KNOWN_SENDER, type SecurityEvent } from '../../lib/security-log.ts'
import { createTokenBuckets } from '../../lib/token-buckets.ts'
import { type AuditActor, recordAudit, SYSTEM } from './audit-log.ts'

/** Writes denials to the audit log, after the response: no request waits for it, and none fails for it. */
export interface DenialAudit {
  /** @param event the first of its kind within a minute, where kinds are counted (security-log.ts) */
  record(event: SecurityEvent): void
  /** Resolves when what was recorded is written, and how much was not. */
  close(): Promise<void>
}

/**
 * Strangers cause denials, and what they cause is kept for more than a year: of a flood the first ones are, and how many
 * there were beyond them. Strangers share a budget; each key and person has its own.
 */
export const DENIALS_PER_MINUTE = { anonymous: 30, each: 10 } as const
const KNOWN_MAX = 1_000
const QUEUED_MAX = 100
const SUMMARY_MS = 60_000

/** @param summaryMs between entries that count what has none, in milliseconds */
export function createDenialAudit(
  db: Database,
  logger: Pick<Logger, 'warn'>,
  { summaryMs = SUMMARY_MS } = {},
): DenialAudit {
  const ofStrangers = createTokenBuckets({ perMinute: DENIALS_PER_MINUTE.anonymous, clientsMax: 1 })
  const ofKnown = createTokenBuckets({ perMinute: DENIALS_PER_MINUTE.each, clientsMax: KNOWN_MAX })
  let queued = 0
  let dropped = { anonymous: 0, authenticated: 0 }
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(event: SecurityEvent): Promise<void> {
    const tenantId = await findTenant(db, event.tenant)
    const { name, actor, address, requestId, detail } = event
    const by: AuditActor = { ...(await actorOfDenial(db, actor)), address, requestId }
    await db.transaction().execute((tx) =>
      recordAudit(tx, by, {
        tenantId,
        action: 'access.denied',
        object: `request ${detail ?? name}`,
        after: { name, ...(actor !== undefined && { credential: actor }) },
      }),
    )
  }

  async function writeSummary(after: typeof dropped): Promise<void> {
    await db.transaction().execute((tx) =>
      recordAudit(tx, SYSTEM, {
        tenantId: 0,
        action: 'access.denied',
        object: 'requests without an entry of their own',
        after,
      }),
    )
  }

  function enqueue(write: () => Promise<void>): void {
    queued++
    writing = writing
      .then(write)
      .catch((error) =>
        logger.warn({ error: String(error) }, 'writing a denial to the audit log failed'),
      )
      .finally(() => queued--)
  }

  function summarise(): void {
    clearTimeout(timer)
    timer = undefined
    if (dropped.anonymous + dropped.authenticated === 0) return
    const counts = dropped
    dropped = { anonymous: 0, authenticated: 0 }
    enqueue(() => writeSummary(counts))
  }

  return {
    record(event) {
      const { actor } = event
      const mayWrite = isKnown(actor) ? ofKnown.take(actor) : ofStrangers.take('all')
      if (mayWrite && queued < QUEUED_MAX) {
        enqueue(() => write(event))
        return
      }
      dropped[isKnown(actor) ? 'authenticated' : 'anonymous']++
      timer ??= setTimeout(summarise, summaryMs).unref()
    },
    close() {
      summarise()
      return writing
    },
  }
}

function isKnown(actor: string | undefined): actor is string {
  return KNOWN_SENDER.test(actor ?? '')
}

async function actorOfDenial(db: Database, actor: string | undefined): Promise<AuditActor> {
  const [, kind, id = ''] = KNOWN_SENDER.exec(actor ?? '') ?? []
  switch (kind) {
    case 'key':
      return { kind, keyId: id }
    case 'person': {
      const row = await db
        .selectFrom('person')
        .select('name')
        .where('person_id', '=', Number(id))
        .executeTakeFirst()
      return { kind, personId: Number(id), name: row?.name ?? '' }
    }
    // Of a sign-in link: sessions of people have their name.
    case 'session':
      return { kind: 'operator' }
    default:
      return { kind: 'system' }
  }
}

/** @returns 0, the system as a whole, where no tenant is known */
async function findTenant(db: Database, slug: string | undefined): Promise<number> {
  if (slug === undefined) return 0
  const row = await db
    .selectFrom('tenant')
    .select('tenant_id')
    .where('slug', '=', slug)
    .executeTakeFirst()
  return row?.tenant_id ?? 0
}
