/** What the workbench does at most. */
export const WORKBENCH_LIMITS = {
  patchOperationsMax: 50,
  patchBytesMax: 65_536,
  /** Dead letters of one job; the rest takes another one. */
  jobDeadLettersMax: 100_000,
  /** Jobs of a tenant that are not ended. */
  openJobsMax: 3,
  examplesMax: 10,
  /** Codes that a job counts apart. */
  reasonsMax: 50,
  /** Dead letters, and time to correct them, of one transaction. */
  stepDeadLettersMax: 200,
  stepMsMax: 250,
  stepBytesMax: 8 * 1024 * 1024,
  pollMs: 1_000,
  retryMs: 5_000,
  /** Jobs that ended are kept for as long. */
  jobDays: 90,
  groupsPageMax: 100,
  jobsPageMax: 100,
  filterIdsMax: 100,
} as const
