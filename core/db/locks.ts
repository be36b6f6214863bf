/**
 * Every advisory lock, in one place so that no two parts use the same number. `key` is for
 * pg_advisory_lock(bigint); `name` is hashed by Postgres: hashtextextended(name, 0).
 */
export const LOCKS = {
  /** Creating and dropping partitions: one process at a time. */
  partitions: { key: 0x51_01_ce },
  /** Applying migrations: one process at a time; the others wait and find the work done. */
  migrations: { key: 0x51_01_cf },
  /** Replacing minutes of outcomes by 15-minute rows: one worker at a time. */
  foldOutcomes: { key: 0x51_01_d0 },
  /** Building an index of days that were there before it: one worker at a time. */
  indexOldDays: { key: 0x51_01_d1 },
  /** Counting the history of metrics: one worker at a time. */
  backfillMetrics: { key: 0x51_01_d2 },
  /** Deriving sketches from single events: one worker at a time. */
  deriveSketches: { key: 0x51_01_d5 },
  /** Adding up who uses API keys: one worker at a time, so that their number stays bounded. */
  keySenders: { key: 0x51_01_d6 },
  /** Sending the audit log to the webhook: one core at a time. */
  auditWebhook: { key: 0x51_01_d7 },
  /** Adding what workers learned about the shape of events: one worker at a time, so that it stays bounded. */
  eventShapes: { key: 0x51_01_de },
  /** Verifying by itself: one process at a time. */
  verify: { key: 0x51_01_d8 },
  /** Sending canaries: one core at a time. */
  canaries: { key: 0x51_01_dd },
  /** Jobs of the dead-letter workbench: one worker at a time. */
  deadLetterJobs: { key: 0x51_01_d9 },
  /** Creating jobs of the workbench for a tenant: one at a time, so that their number stays bounded. */
  newDeadLetterJob: (tenantId: number) => ({ name: `dead-letter job ${tenantId}` }),
  /** Taking a backup of this database: one process at a time. */
  backup: { key: 0x51_01_da },
  /** Restoring a backup into this database: one process at a time. */
  restore: { key: 0x51_01_dc },
  /** Forwarding dead letters to events.dlq: one forwarder at a time. */
  forwardDeadLetters: { name: 'forward dead letters' },
  /** Giving names of a tenant their series. */
  series: (tenantId: number) => ({ name: `series ${tenantId}` }),
  /** Giving combinations of dimension values of a metric their series. */
  metricSeries: (metricId: number) => ({ name: `metric series ${metricId}` }),
  /** Computing the assignment of a topic's partitions to workers. */
  leases: (topic: string) => ({ name: `leases ${topic}` }),
} as const
