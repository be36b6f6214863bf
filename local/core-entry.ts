import { createDatabase } from '../core/db/database.ts'
import { migrate } from '../core/db/migrate.ts'
import { waitUntilDrained } from '../core/drain.ts'
import { edgeUser } from '../core/gateway/users.ts'
import { createLoginLink } from '../core/identity/sign-in/create-login-link.ts'
import { DASHBOARD_FOLDER } from '../core/lib/paths.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { createLifecycle } from '../core/lifecycle.ts'
import { createLogger } from '../core/logger.ts'
import { DEFAULT_ROLES, startRoles } from '../core/roles.ts'
import type { CoreConfig, CoreMessage } from './core-messages.ts'
import { ensureSecrets, type Secrets } from './secrets.ts'

/**
 * Core of `npm start`: all roles in one process, which local/core-process.ts starts and restarts. It gets its
 * configuration over IPC, and stops in order on SIGTERM. When the channel closes the supervisor is gone, and
 * with it Postgres: it ends at once, and the next start recovers.
 */

/** What is not stored by then is in the log, and the next start stores it. */
const DRAIN_MS_MAX = 2_000

const lifecycle = createLifecycle({ stepMsMax: DRAIN_MS_MAX + 100, totalMsMax: 2_500 })

process.once('message', (config: CoreConfig) => {
  start(config).catch(async (error) => {
    await tell({ kind: 'failed', message: messageOf(error), hint: hintOf(error) })
    stop(1)
  })
})
process.once('disconnect', () => process.exit(1))
process.once('SIGTERM', () => stop(0))

async function start(config: CoreConfig): Promise<void> {
  const { databaseUrl, edgeUrl } = config
  const logger = createLogger(config.logLevel, config.logFile)
  await migrate(databaseUrl, ({ name }) =>
    tell({ kind: 'step', step: `Applying migration ${name}` }),
  )
  const secrets = await prepareSecrets(config)
  const core = await startRoles({
    roles: DEFAULT_ROLES,
    databaseUrl,
    log: { kind: 'postgres' },
    gatewayUsers: [edgeUser(secrets.gatewayPassword)],
    host: '127.0.0.1',
    port: config.port,
    dashboardFolder: DASHBOARD_FOLDER,
    retentionDays: config.retentionDays,
    signIn: config.signIn,
    audit: config.audit,
    canaries: config.canaries,
    verification: config.verification,
    logger,
    lifecycle,
    onboarding: () => ({ edgeUrl, tenant: 'default', writeKey: secrets.writeKey }),
    onOffsetGap: (gap) => tell({ kind: 'offset-gap', message: gap.message }),
    // A new process gets a new worker.
    onWorkerEnd(error) {
      logger.error({ error: String(error) }, 'the worker ended, core restarts')
      stop(1)
    },
  })
  lifecycle.onStop('worker queue', () => waitUntilDrained(core.db, core.log, DRAIN_MS_MAX))
  const loginToken = config.signIn.loginLink
    ? await createLoginLink(core.db, { kind: 'system' })
    : undefined
  await tell({ kind: 'ready', secrets, loginToken })
}

async function prepareSecrets({ home, databaseUrl }: CoreConfig): Promise<Secrets> {
  const db = createDatabase(databaseUrl, { max: 1 })
  try {
    return await ensureSecrets(home, db)
  } finally {
    await db.destroy()
  }
}

/** Resolves when it is written; a supervisor that is gone does not matter. */
function tell(message: CoreMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, () => resolve())
    else resolve()
  })
}

function stop(code: number): void {
  lifecycle.stop().then(
    () => process.exit(code),
    (error) => {
      console.error(`core did not stop in order: ${error.message}`)
      process.exit(1)
    },
  )
}

function messageOf(error: unknown): string {
  return (error as Error).message || String(error)
}

function hintOf(error: unknown): string | undefined {
  return error instanceof UsageError ? error.hint : undefined
}
