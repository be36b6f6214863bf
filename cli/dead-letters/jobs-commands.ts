import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import type { Database } from '../../core/db/database.ts'
import { readFilter } from '../../core/dead-letters/filter.ts'
import { cancelJob, createJob } from '../../core/dead-letters/jobs.ts'
import { type TenantViewer, tenantViewer } from '../../core/identity/viewer.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { type DeadLetterJob, deadLetterJobs } from '../../core/queries/dead-letters/jobs.ts'
import { formatCount } from '../format.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { CLI } from '../with-identity.ts'

const POLL_MS = 500

const viewerOf = (db: Database, tenant: string) => tenantViewer(db, { kind: 'SESSION' }, tenant)

export function createPlanCommand(config: Config, terminal: Terminal): Command {
  return withPatch(withFilter(new Command('plan')))
    .description('Show what a replay would do, without doing it')
    .action((options) => run(config, terminal, options))
}

export function createJobsCommand(config: Config, terminal: Terminal): Command {
  return new Command('jobs')
    .description('List plans, the newest first')
    .option('--tenant <tenant>', 'whose jobs', 'default')
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const { rows } = await deadLetterJobs(db, await viewerOf(db, options.tenant), {})
        if (options.json) return terminal.printJson(rows)
        if (rows.length === 0) return terminal.print('No jobs.')
        terminal.printTable(
          ['Id', 'State', 'Begun', 'Done', 'Filter'],
          rows.map((job) => [
            ...[job.id, job.state, job.createdAt],
            `${formatCount(job.processed)} of ${formatCount(job.total)}`,
            JSON.stringify(job.filter),
          ]),
        )
      }),
    )
}

export function createCancelCommand(config: Config, terminal: Terminal): Command {
  return new Command('cancel')
    .argument('<id>', 'id of the job')
    .description('End a job; what it has counted stays')
    .option('--tenant <tenant>', 'whose job', 'default')
    .option('--json', 'print JSON')
    .action((id: string, options) =>
      withDatabase(config, async (db) => {
        const viewer = await viewerOf(db, options.tenant)
        await cancelJob(db, viewer.tenantId, id, CLI)
        print(terminal, await findJob(db, viewer, id), options.json)
      }),
    )
}

function withFilter(command: Command): Command {
  return command
    .option('--tenant <tenant>', 'whose dead letters', 'default')
    .option('--group <fingerprint>', 'of this group ("dead-letters groups" lists them)')
    .option('--reason <code>', 'with this reason')
    .option('--key <id>', 'sent with this API key')
    .option('--client <client>', 'sent by this client')
    .option('--name <name>', 'of events with this name')
    .option('--from <time>', 'received at this time (RFC 3339) or later')
    .option('--to <time>', 'received before this time (RFC 3339)')
    .option('--json', 'print JSON')
}

function withPatch(command: Command): Command {
  return command.option('--patch <file>', 'a JSON Patch (RFC 6902) of each event')
}

interface RunOptions {
  tenant: string
  patch?: string
  json?: true
  [filter: string]: string | true | undefined
}

async function run(config: Config, terminal: Terminal, options: RunOptions): Promise<void> {
  const { tenant, group, from, to, patch, ...rest } = options as Record<string, string>
  const filter = readFilter({ ...rest, fingerprint: group, startTime: from, endTime: to })
  const text = patch === undefined ? undefined : readPatch(patch)
  await withDatabase(config, async (db) => {
    const viewer = await viewerOf(db, tenant as string)
    const id = await createJob(db, viewer.tenantId, { filter, patch: text }, CLI)
    let shown = -1
    for (;;) {
      const job = await findJob(db, viewer, id)
      if (job.finishedAt !== null) return print(terminal, job, options.json)
      if (!options.json && job.processed !== shown)
        terminal.print(`${formatCount(job.processed)} of ${formatCount(job.total)}`)
      shown = job.processed
      await sleep(POLL_MS)
    }
  })
}

function readPatch(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    throw new UsageError(`The file ${file} cannot be read.`, 'It has a JSON Patch (RFC 6902).')
  }
}

async function findJob(db: Database, viewer: TenantViewer, id: string): Promise<DeadLetterJob> {
  const { rows } = await deadLetterJobs(db, viewer, { id })
  if (!rows[0]) throw new UsageError(`The job ${id} does not exist.`)
  return rows[0]
}

function print(terminal: Terminal, job: DeadLetterJob, asJson: true | undefined): void {
  if (asJson) {
    terminal.printJson(job)
    return
  }
  terminal.print(`Job ${job.id}: ${job.state}${job.error ? `, ${job.error}` : ''}`)
  const { stored, duplicates, conflicting, dead, refused } = job
  const counts = { stored, duplicates, conflicting, dead, refused }
  terminal.printTable(
    ['Outcome', 'Dead letters'],
    Object.entries(counts).map(([name, count]) => [name, formatCount(count)]),
  )
  for (const { code, count } of job.reasons) terminal.print(`${code}: ${formatCount(count)}`)
}
