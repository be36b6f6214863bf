import type { Database } from '../../db/database.ts'
import type { Logger } from '../../lib/logger.ts'
import type { SecurityEvent } from '../../lib/security-log.ts'
import { createTokenBuckets } from '../../lib/token-buckets.ts'
import { type AuditActor, recordAudit } from './audit-log.ts'

/** Writes denials to the audit log, after the response: no request waits for it, and none fails for it. */
export interface DenialAudit {
  /** @param event the first of its kind within a minute (security-log.ts) */
  record(event: SecurityEvent): void
  /** Resolves when what was recorded is written. */
  close(): Promise<void>
}

/** Strangers cause denials, and what they cause is kept for more than a year: of a flood the first ones are. */
export const DENIALS_PER_MINUTE = 30
const QUEUED_MAX = 100

export function createDenialAudit(db: Database, logger: Pick<Logger, 'warn'>): DenialAudit {
  const budget = createTokenBuckets({ perMinute: DENIALS_PER_MINUTE, clientsMax: 1 })
  let queued = 0
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

  return {
    record(event) {
      if (queued >= QUEUED_MAX || !budget.take('all')) return
      queued++
      writing = writing
        .then(() => write(event))
        .catch((error) =>
          logger.warn({ error: String(error) }, 'writing a denial to the audit log failed'),
        )
        .finally(() => queued--)
    },
    close: () => writing,
  }
}

async function actorOfDenial(db: Database, actor: string | undefined): Promise<AuditActor> {
  const [, kind, id = ''] = /^(key|person|session) (.+)$/.exec(actor ?? '') ?? []
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
