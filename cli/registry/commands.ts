import type { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import type { Terminal } from '../terminal.ts'

export type CreateCommand = (config: Config, terminal: Terminal) => Command

/** In the order of the help text. */
export const COMMANDS: Record<string, () => Promise<CreateCommand>> = {
  start: async () => (await import('../commands/start.ts')).createStartCommand,
  status: async () => (await import('../commands/status.ts')).createStatusCommand,
  stop: async () => (await import('../commands/stop.ts')).createStopCommand,
  login: async () => (await import('../commands/login.ts')).createLoginCommand,
  send: async () => (await import('../commands/send.ts')).createSendCommand,
  load: async () => (await import('../load/load-command.ts')).createLoadCommand,
  query: async () => (await import('../commands/query.ts')).createQueryCommand,
  events: async () => (await import('../events/events-command.ts')).createEventsCommand,
  receipt: async () => (await import('../receipt/receipt-command.ts')).createReceiptCommand,
  metric: async () => (await import('../metric/metric-command.ts')).createMetricCommand,
  schema: async () => (await import('../schema/schema-command.ts')).createSchemaCommand,
  key: async () => (await import('../commands/key.ts')).createKeyCommand,
  audit: async () => (await import('../audit/audit-command.ts')).createAuditCommand,
  tenant: async () => (await import('../commands/tenant.ts')).createTenantCommand,
  member: async () => (await import('../people/member-command.ts')).createMemberCommand,
  session: async () => (await import('../people/session-command.ts')).createSessionCommand,
  operator: async () => (await import('../people/operator-command.ts')).createOperatorCommand,
  lag: async () => (await import('../commands/lag.ts')).createLagCommand,
  offsets: async () => (await import('../commands/offsets.ts')).createOffsetsCommand,
  replay: async () => (await import('../commands/replay.ts')).createReplayCommand,
  balance: async () => (await import('../proof/balance-command.ts')).createBalanceCommand,
  verify: async () => (await import('../proof/verify-command.ts')).createVerifyCommand,
  backup: async () => (await import('../backup/backup-command.ts')).createBackupCommand,
  restore: async () => (await import('../backup/restore-command.ts')).createRestoreCommand,
  'dead-letters': async () =>
    (await import('../dead-letters/dead-letters-command.ts')).createDeadLettersCommand,
  demo: async () => (await import('../commands/demo.ts')).createDemoCommand,
  engines: async () => (await import('../commands/engines.ts')).createEnginesCommand,
  migrate: async () => (await import('../commands/migrate.ts')).createMigrateCommand,
  topics: async () => (await import('../commands/topics.ts')).createTopicsCommand,
  doctor: async () => (await import('../commands/doctor.ts')).createDoctorCommand,
  reset: async () => (await import('../commands/reset.ts')).createResetCommand,
}
