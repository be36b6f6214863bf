import cluster from 'node:cluster'
import { checkCollector, startCollectorProcesses } from './collector-processes.ts'
import { serveCollectorWithoutDatabase } from './collector-role.ts'
import { type Config, readConfig } from './config.ts'
import { migrate } from './db/migrate.ts'
import { checkGateway, checkListening } from './exposure.ts'
import { DASHBOARD_FOLDER } from './lib/paths.ts'
import { UsageError } from './lib/usage-error.ts'
import { createLifecycle } from './lifecycle.ts'
import { createTopics } from './log/open.ts'
import { createLogger } from './logger.ts'
import { DEFAULT_ROLES, ROLES, type Role, startRoles } from './roles.ts'

/**
 * Core as a server: `DATABASE_URL=… node core/main.ts [api] [gateway] [worker] [collector]`, without an argument all
 * but the collector. The collector alone needs no database: SLUICE_GATEWAY_URL tells where keys are known.
 * The log is in Postgres, or in Kafka with SLUICE_LOG_DRIVER=kafka. Settings: core/settings/. It writes one
 * JSON object a line to standard output.
 */
const config = readConfigOrExit()
const logger = createLogger(config.logLevel)
const lifecycle = createLifecycle()

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    logger.info({ signal }, 'stopping')
    stop(0)
  })

try {
  await start()
} catch (error) {
  const hint = error instanceof UsageError ? error.hint : undefined
  logger.fatal({ error: String(error), hint }, 'could not start')
  stop(1)
}

function readConfigOrExit(): Config {
  try {
    return readConfig()
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    createLogger('info').fatal({ error: error.message, hint: error.hint }, 'could not start')
    process.exit(1)
  }
}

async function start(): Promise<void> {
  const roles = process.argv.slice(2) as Role[]
  const unknown = roles.filter((role) => !ROLES.includes(role))
  if (unknown.length > 0)
    throw new UsageError(
      `Unknown role: ${unknown.join(', ')}.`,
      `The roles are ${ROLES.join(', ')}.`,
    )
  const wanted = roles.length > 0 ? roles : DEFAULT_ROLES
  if (!config.databaseUrl) {
    if (wanted.join() === 'collector' && config.collector.gateway) return startCollectorAlone()
    throw new UsageError(
      'DATABASE_URL is not set.',
      'Set it to postgres://user:password@host/database.',
    )
  }
  if (wanted.includes('gateway')) checkGateway(config)
  if (wanted.includes('gateway') || wanted.includes('api')) checkListening(config)
  if (wanted.includes('collector')) checkCollector(config)
  const inProcesses =
    wanted.includes('collector') && config.collector.processes > 1 && cluster.isPrimary
  await migrate(config.databaseUrl)
  await createTopics(config.log)
  const { served, collector } = await startRoles({
    roles: inProcesses ? wanted.filter((role) => role !== 'collector') : wanted,
    databaseUrl: config.databaseUrl,
    log: config.log,
    gatewayUsers: config.gatewayUsers,
    tls: config.tls,
    redisUrl: config.redisUrl,
    redisBridgeUrl: config.redisBridgeUrl,
    redisToken: config.redisToken,
    host: config.host,
    publicUrl: config.publicUrl,
    edgeUrl: config.edgeUrl,
    trustedProxies: config.trustedProxies,
    signIn: config.signIn,
    audit: config.audit,
    canaries: config.canaries,
    verification: config.verification,
    metricsToken: config.metricsToken,
    port: config.corePort,
    collector: config.collector,
    dashboardFolder: DASHBOARD_FOLDER,
    retentionDays: config.retentionDays,
    workerConcurrency: config.workerConcurrency,
    logger,
    lifecycle,
    onWorkerEnd: () => stop(1),
  })
  if (inProcesses) await startProcesses()
  logger.info({ roles: wanted, url: served?.url, collectorUrl: collector?.url }, 'ready')
}

/** The role collector without a database: core's gateway knows the keys. */
async function startCollectorAlone(): Promise<void> {
  checkCollector(config)
  const collector =
    config.collector.processes > 1 && cluster.isPrimary
      ? await startProcesses()
      : await serveCollectorWithoutDatabase({ ...config, logger, lifecycle })
  logger.info({ roles: ['collector'], collectorUrl: collector?.url }, 'ready')
}

async function startProcesses(): Promise<undefined> {
  const collectors = await startCollectorProcesses(config.collector.processes, logger)
  lifecycle.onStop('collector processes', () => collectors.stop())
}

function stop(code: number): void {
  lifecycle.stop().then(
    () => process.exit(code),
    (error) => {
      logger.error({ error: String(error) }, 'some parts failed to stop, or took too long; exiting')
      process.exit(1)
    },
  )
}
