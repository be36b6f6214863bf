import { Command, Option } from 'commander'
import { TOPICS } from '../../contract/log/topics.ts'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { type OffsetGap, type OtherLog, readLag } from '../../core/queries/pipeline/lag.ts'
import { type AdoptAt, adoptLog } from '../../core/worker/consume/adopt-log.ts'
import { skipMissingOffsets } from '../../core/worker/consume/skip-offsets.ts'
import { formatCount, formatMinute } from '../format.ts'
import { parseWholeNumber } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { CLI } from '../with-identity.ts'
import { type LogAccess, withLog } from '../with-log.ts'

interface Options {
  partition?: number
  json?: true
}

export function createOffsetsCommand(config: Config, terminal: Terminal): Command {
  const offsets = new Command('offsets').description(
    'List or skip offsets missing from the log, or change to another log',
  )
  const addSubcommand = (
    name: string,
    description: string,
    run: (access: LogAccess, options: Options, terminal: Terminal) => Promise<void>,
  ) =>
    offsets
      .command(name, { isDefault: name === 'list' })
      .description(description)
      .option(
        '--partition <number>',
        'only this partition',
        parseWholeNumber(0, TOPICS.raw.partitions - 1),
      )
      .option('--json', 'print JSON')
      .action((options: Options) => withLog(config, (access) => run(access, options, terminal)))
  addSubcommand('list', 'List missing offsets', listMissing)
  addSubcommand(
    'skip',
    'Skip missing offsets: the workers continue with the first record that the log still has',
    skipMissing,
  )
  offsets
    .command('adopt')
    .description(
      'Continue with the log that is configured now, after a change of engine, cluster or topic',
    )
    .addOption(
      new Option(
        '--at <where>',
        'its first record, after its last one, or the current offsets (the same log under another identity)',
      )
        .choices(['start', 'end', 'current'] satisfies AdoptAt[])
        .makeOptionMandatory(),
    )
    .option('--json', 'print JSON')
    .action((options: { at: AdoptAt; json?: true }) =>
      withLog(config, (access) => adopt(access, options, terminal)),
    )
  return offsets
}

async function adopt(
  { db, log }: LogAccess,
  { at, json }: { at: AdoptAt; json?: true },
  terminal: Terminal,
): Promise<void> {
  if (at !== 'current' && !(await readLag(db, log)).otherLog)
    throw new UsageError(
      'The offsets belong to this log already, nothing changed.',
      '"sluice lag" shows them; "sluice offsets skip" skips what is missing.',
    )
  const adopted = await adoptLog(db, log, at, CLI)
  if (json) return terminal.printJson({ adopted })
  for (const { partition, former, position } of adopted)
    terminal.print(
      `Partition ${partition} continues at ${formatCount(position)} of this log (former log: ${formatCount(former)}).`,
    )
}

async function listMissing(
  access: LogAccess,
  { partition, json }: Options,
  terminal: Terminal,
): Promise<void> {
  const { gaps, otherLog } = await findGaps(access, partition)
  if (json) return terminal.printJson({ gaps, other_log: otherLog })
  if (otherLog) return printOtherLog(terminal, otherLog)
  if (gaps.length === 0) return terminal.print('No offsets are missing.')
  for (const gap of gaps) terminal.print(`Partition ${gap.partition}: ${describeGap(gap)}`)
  terminal.print(terminal.muted('Skip them with "npm run sluice -- offsets skip".'))
}

async function skipMissing(
  access: LogAccess,
  { partition, json }: Options,
  terminal: Terminal,
): Promise<void> {
  const { gaps, otherLog } = await findGaps(access, partition)
  if (otherLog)
    throw new UsageError(
      `The offsets belong to the log "${otherLog.recorded}", and this is "${otherLog.found}".`,
      'Configure the former log, or decide with "npm run sluice -- offsets adopt".',
    )
  if (gaps.length === 0)
    throw new UsageError('No offsets are missing.', '"npm run sluice -- lag" shows the positions.')
  const skipped = await skipMissingOffsets(access.db, access.log, gaps, CLI)
  if (json) return terminal.printJson({ skipped })
  for (const gap of skipped)
    terminal.print(
      `Partition ${gap.partition} continues at ${formatCount(gap.position)}: ${describeGap(gap)}`,
    )
}

async function findGaps(
  { db, log }: LogAccess,
  partition: number | undefined,
): Promise<{ gaps: OffsetGap[]; otherLog: OtherLog | null }> {
  const { gaps, otherLog } = await readLag(db, log)
  return {
    gaps: gaps.filter((gap) => partition === undefined || gap.partition === partition),
    otherLog,
  }
}

function printOtherLog(terminal: Terminal, { recorded, found }: OtherLog): void {
  terminal.print('The workers are paused: their offsets belong to another log.')
  terminal.print(`  Offsets: ${recorded}`)
  terminal.print(`  This log: ${found}`)
  terminal.print(
    terminal.muted(
      'Configure the former log, or continue with this one: "sluice offsets adopt --at start" or "--at end".',
    ),
  )
}

function describeGap({ expected, available, seenAt }: OffsetGap): string {
  const what =
    available > expected
      ? `${formatCount(available - expected)} records from offset ${formatCount(expected)} on were deleted before they were read`
      : `the log ends at offset ${formatCount(available)}, before ${formatCount(expected)}: it lost its end or was recreated`
  return `${what} (seen ${formatMinute(seenAt)}).`
}
