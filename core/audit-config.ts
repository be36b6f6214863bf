import { checkWebhookUrl } from './identity/audit/audit-webhook.ts'
import { RETENTION_DAYS_MIN } from './identity/audit/verify-audit.ts'
import { UsageError } from './lib/usage-error.ts'

export interface AuditConfig {
  /** SLUICE_AUDIT_RETENTION_DAYS */
  retentionDays: number
  /** SLUICE_AUDIT_WEBHOOK */
  webhook: string | undefined
}

const RETENTION_DAYS_DEFAULT = 400
const RETENTION_DAYS_MAX = 36_500

/** @throws UsageError */
export function readAudit(env: NodeJS.ProcessEnv): AuditConfig {
  const webhook = env.SLUICE_AUDIT_WEBHOOK || undefined
  const why = webhook === undefined ? undefined : checkWebhookUrl(webhook)
  if (why) throw new UsageError(`SLUICE_AUDIT_WEBHOOK ${why}.`, 'docs/audit.md describes it.')
  const retentionDays = Number(env.SLUICE_AUDIT_RETENTION_DAYS || RETENTION_DAYS_DEFAULT)
  const isValid = Number.isInteger(retentionDays) && retentionDays >= RETENTION_DAYS_MIN
  if (!isValid || retentionDays > RETENTION_DAYS_MAX)
    throw new UsageError(
      `SLUICE_AUDIT_RETENTION_DAYS is not a whole number from ${RETENTION_DAYS_MIN} to ${RETENTION_DAYS_MAX}.`,
      'docs/audit.md describes it.',
    )
  return { retentionDays, webhook }
}
