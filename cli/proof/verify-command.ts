import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import type { Difference, VerifyReport } from '../../core/proof/verify/difference.ts'
import type { RepairResult } from '../../core/proof/verify/repair/repair.ts'
import { verifyAndRepair } from '../../core/proof/verify/repair/verify-and-repair.ts'
import { type VerifyOptions, verify } from '../../core/proof/verify/verify.ts'
import { formatCount } from '../format.ts'
import { parseDuration, parseTime, parseWholeNumber } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { type LogAccess, withLog } from '../with-log.ts'
import { findTenantId, readTenantNames } from './tenant-id.ts'

interface Options {
  from?: Date
  to?: Date
  tenant?: string
  log: boolean
  resume?: true
  repair?: true
  concurrency?: number
  statementTimeout?: number
  json?: true
}

/** What a script tells apart. */
const EXIT = { differences: 1, notChecked: 2 } as const

export function createVerifyCommand(config: Config, terminal: Terminal): Command {
  return new Command('verify')
    .description('Recount everything from single events and the log, and list what differs')
    .option('--from <time>', 'begin at this time (RFC 3339)', parseTime)
    .option('--to <time>', 'end before this time (RFC 3339)', parseTime)
    .option('--tenant <tenant>', 'only this tenant')
    .option('--no-log', 'do not read the log')
    .option('--resume', 'go on with the last run that was stopped')
    .option('--repair', 'replace what differs from its events by what these add up to')
    .option(
      '--concurrency <parts>',
      'parts that run at a time (default: 2)',
      parseWholeNumber(1, 16),
    )
    .option(
      '--statement-timeout <time>',
      'of one statement, such as 2m (default)',
      parseDuration(1),
    )
    .option('--json', 'print JSON')
    .action((options: Options) => runVerify(config, terminal, options))
}

async function runVerify(config: Config, terminal: Terminal, options: Options): Promise<void> {
  try {
    await withLog(config, (access) => verifyAndPrint(terminal, access, options))
  } catch (error) {
    throw Object.assign(error as Error, { exitCode: EXIT.notChecked })
  }
}

/** Sets the exit code. */
export async function verifyAndPrint(
  terminal: Terminal,
  access: LogAccess,
  options: Options,
): Promise<void> {
  const report = await verifyOnce(terminal, access, options)
  await printReport(terminal, access, report, options)
  process.exitCode = exitCodeOf(report)
}

function exitCodeOf({ clean, differences, moreDifferences }: VerifyReport): number | undefined {
  if (differences.length + moreDifferences > 0) return EXIT.differences
  return clean ? undefined : EXIT.notChecked
}

type Report = VerifyReport & Partial<RepairResult>

async function verifyOnce(
  terminal: Terminal,
  { db, log, databaseUrl }: LogAccess,
  { from, to, tenant, log: withTheLog, concurrency, statementTimeout, ...flags }: Options,
): Promise<Report> {
  const tenantId = await findTenantId(db, tenant)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  let progress: ReturnType<Terminal['progress']> | undefined
  try {
    const options: VerifyOptions = {
      ...{ databaseUrl, signal: stop.signal, resume: flags.resume === true },
      ...(withTheLog && { log }),
      ...(from && { fromMs: from.getTime() }),
      ...(to && { toMs: to.getTime() }),
      ...(tenantId !== undefined && { tenantId }),
      ...(concurrency !== undefined && { concurrency }),
      ...(statementTimeout !== undefined && { statementMsMax: statementTimeout }),
      onProgress(done, all) {
        progress ??= terminal.progress(all, 'parts')
        progress.update(done)
      },
    }
    return await (flags.repair ? verifyAndRepair(options, { kind: 'cli' }) : verify(options))
  } finally {
    progress?.end()
  }
}

async function printReport(
  terminal: Terminal,
  { db }: LogAccess,
  report: Report,
  { json }: Options,
): Promise<void> {
  const nameOf = await readTenantNames(db)
  const differences = report.differences.map(({ tenant, moreIds, ...rest }) => ({
    ...{ ...rest, tenant: nameOf(tenant), more_ids: moreIds },
  }))
  const { clean, checked, moreDifferences: more, notChecked } = report
  const repaired = report.repaired?.map(({ tenant, rows, ...each }) => ({
    ...{ ...each, tenant: nameOf(tenant), rows: rows.length },
  }))
  const unrepaired = report.unrepaired?.map(({ tenant, ...each }) => ({
    ...{ ...each, tenant: nameOf(tenant) },
  }))
  if (json)
    return terminal.printJson({
      ...{ clean, checked, differences, more_differences: more, not_checked: notChecked },
      ...(repaired && { repaired, unrepaired }),
    })
  if (repaired && repaired.length > 0)
    terminal.printTable(
      ['Repaired', 'Tenant', 'Day', 'Rows'],
      repaired.map(({ kind, tenant, day, rows }) => [kind, tenant, day ?? '', formatCount(rows)]),
    )
  for (const { kind, tenant, differences: count, next } of unrepaired ?? [])
    terminal.print(`Not repaired: ${formatCount(count)} × ${kind} of ${tenant}. ${next}.`)
  if (differences.length > 0)
    terminal.printTable(
      ['Kind', 'Tenant', 'Metric', 'Bucket', 'Stored', 'Recounted', 'Events'],
      differences.map((each) => [
        ...[each.kind, each.tenant, each.metric ?? '', each.bucket ?? ''],
        ...[each.stored ?? '', each.recounted ?? '', describeIds(each)],
      ]),
    )
  if (more > 0) terminal.print(`${formatCount(more)} more differences are not listed.`)
  for (const what of notChecked) terminal.print(`Not compared: ${what}.`)
  const counts = Object.entries(checked).map(([check, count]) => `${check} ${formatCount(count)}`)
  terminal.print(terminal.muted(`Compared: ${counts.join(', ')}.`))
  terminal.print(
    clean ? 'Nothing differs.' : `${formatCount(differences.length + more)} differences.`,
  )
}

function describeIds({ ids, more_ids }: Pick<Difference, 'ids'> & { more_ids: number }): string {
  return more_ids > 0 ? `${ids.join(' ')} and ${formatCount(more_ids)} more` : ids.join(' ')
}
