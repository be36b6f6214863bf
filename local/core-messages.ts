import type { AuditConfig } from '../core/audit-config.ts'
import type { SignInSettings } from '../core/identity/sign-in/sign-in-settings.ts'
import type { CanarySettings } from '../core/proof/canaries/canary-settings.ts'
import type { VerificationConfig } from '../core/verification-config.ts'
import type { Secrets } from './secrets.ts'

/** What the supervisor of `npm start` and its core tell each other over the IPC channel. */

/** Supervisor to core, once Postgres is ready. */
export interface CoreConfig {
  home: string
  databaseUrl: string
  port: number
  edgeUrl: string
  logFile: string
  logLevel: string
  retentionDays: number | undefined
  signIn: SignInSettings
  audit: AuditConfig
  canaries: CanarySettings
  verification: VerificationConfig
}

/** Core to supervisor. */
export type CoreMessage =
  /** A few words for a person. */
  | { kind: 'step'; step: string }
  | { kind: 'ready'; secrets: Secrets; loginToken: string | undefined }
  | { kind: 'failed'; message: string; hint: string | undefined }
  /** Records are missing from the log; everything else continues. */
  | { kind: 'offset-gap'; message: string }
