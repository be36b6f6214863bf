import { expect } from 'vitest'
import { rawRecord, rawValue } from '../../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../../db/database.ts'
import { cancelJob, createJob, type NewJob } from '../../../dead-letters/jobs.ts'
import type { AuditActor } from '../../../identity/audit/audit-log.ts'
import type { NewRecord } from '../../../log/log.ts'

const BY: AuditActor = { kind: 'cli' }

/** Jobs over the dead letters of the tenant with the id 1. */
export interface Workbench {
  db: Database
  begin(job: NewJob, by?: AuditActor): Promise<string>
  cancel(id: string): Promise<void>
  job(id: string): Promise<Record<string, unknown>>
  /** The job, once a worker has ended it. */
  ended(id: string): Promise<Record<string, unknown>>
  run(job: NewJob): Promise<Record<string, unknown>>
  close(): Promise<void>
}

export function openWorkbench(url: string): Workbench {
  const db = createDatabase(url, { max: 2 })
  const job = async (id: string) =>
    (await db
      .selectFrom('dead_letter_job')
      .selectAll()
      .where('job_id', '=', Number(id))
      .executeTakeFirstOrThrow()) as unknown as Record<string, unknown>
  const ended = async (id: string) => {
    await expect
      .poll(async () => (await job(id)).state, { timeout: 120_000 })
      .toMatch(/done|cancelled|stopped/)
    return job(id)
  }
  const begin = (wanted: NewJob, by = BY) => createJob(db, 1, wanted, by)
  return {
    ...{ db, job, ended, begin },
    run: async (wanted) => ended(await begin(wanted)),
    cancel: (id) => cancelJob(db, 1, id, BY),
    close: () => db.destroy(),
  }
}

export const TOO_OLD = '2020-01-01T00:00:00Z'

/** Too old to be stored, until a patch gives it a time. */
export function tooOld(eventId: string, more: Parameters<typeof rawRecord>[0] = {}): NewRecord {
  return rawRecord({ event_id: eventId, occurred_at: TOO_OLD, name: 'order', value: 2, ...more })
}

/** As the edge logs what a client of another format sent without a name. */
export function rejectedByEdge(original: object): NewRecord {
  const { value } = rawRecord()
  const { event: _, ...stamp } = JSON.parse(String(value))
  const refused = [{ code: 'NAME_MISSING', pointer: '/name', detail: 'is missing' }]
  return rawValue(
    JSON.stringify({
      ...stamp,
      route: 'segment',
      client: 'sdk/1',
      refused,
      original: JSON.stringify(original),
    }),
  )
}

export const nowPatch = () =>
  JSON.stringify([{ op: 'replace', path: '/occurred_at', value: new Date().toISOString() }])
