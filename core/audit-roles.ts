import type { Logger } from 'pino'
import type { AuditConfig } from './audit-config.ts'
import { createDatabase, type Database } from './db/database.ts'
import { createDenialAudit } from './identity/audit/audit-denials.ts'
import { startAuditWebhook } from './identity/audit/audit-webhook.ts'
import { expireAudit } from './identity/audit/expire-audit.ts'
import { createSecurityLog, type SecurityLog } from './lib/security-log.ts'
import type { Lifecycle } from './lifecycle.ts'

export interface AuditOptions {
  databaseUrl: string
  logger: Logger
  lifecycle: Lifecycle
  audit?: AuditConfig | undefined
}

const EXPIRE_EVERY_MS = 3_600_000

/** The security log, whose denials are in the audit log too. */
export function startSecurityLog({ logger, lifecycle }: AuditOptions, db: Database): SecurityLog {
  const denials = createDenialAudit(db, logger)
  const securityLog = createSecurityLog(logger, denials.record)
  lifecycle.onStop('security log', async () => {
    securityLog.close()
    await denials.close()
  })
  return securityLog
}

export function startWebhook({ audit, logger, lifecycle }: AuditOptions, db: Database): void {
  if (audit?.webhook === undefined) return
  const webhook = startAuditWebhook({ db, url: audit.webhook, logger })
  lifecycle.onStop('audit webhook', () => webhook.close())
}

/** Hourly, with the rights of the tables' owner: the role that writes cannot delete entries. */
export function startAuditExpiry({ databaseUrl, audit, logger, lifecycle }: AuditOptions): void {
  if (!audit) return
  const db = createDatabase(databaseUrl, { max: 1 })
  let running: Promise<void> | undefined
  const expire = async () => {
    try {
      const deleted = await expireAudit(db, audit.retentionDays)
      if (deleted > 0) logger.info({ deleted }, 'entries of the audit log expired')
    } catch (error) {
      logger.error({ error: String(error) }, 'expiring the audit log failed, retrying in an hour')
    } finally {
      running = undefined
    }
  }
  const start = () => {
    running ??= expire()
  }
  start()
  const timer = setInterval(start, EXPIRE_EVERY_MS)
  lifecycle.onStop('audit log', async () => {
    clearInterval(timer)
    await running
    await db.destroy()
  })
}
