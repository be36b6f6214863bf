import { Command } from 'commander'
import { TOPICS } from '../../contract/log/topics.ts'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { type OffsetGap, readLag } from '../../core/queries/pipeline/lag.ts'
import { skipMissingOffsets } from '../../core/worker/consume/skip-offsets.ts'
import { formatCount, formatMinute } from '../format.ts'
import { parseWholeNumber } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { type LogAccess, withLog } from '../with-log.ts'

interface Options {
  partition?: number
  json?: true
}

export function createOffsetsCommand(config: Config, terminal: Terminal): Command {
  const offsets = new Command('offsets').description('List or skip offsets missing from the log')
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
  return offsets
}

async function listMissing(
  access: LogAccess,
  { partition, json }: Options,
  terminal: Terminal,
): Promise<void> {
  const gaps = await findGaps(access, partition)
  if (json) return terminal.printJson({ gaps })
  if (gaps.length === 0) return terminal.print('No offsets are missing.')
  for (const gap of gaps) terminal.print(`Partition ${gap.partition}: ${describeGap(gap)}`)
  terminal.print(terminal.muted('Skip them with "npm run sluice -- offsets skip".'))
}

async function skipMissing(
  access: LogAccess,
  { partition, json }: Options,
  terminal: Terminal,
): Promise<void> {
  const gaps = await findGaps(access, partition)
  if (gaps.length === 0)
    throw new UsageError('No offsets are missing.', '"npm run sluice -- lag" shows the positions.')
  const skipped = await skipMissingOffsets(access.db, access.log, gaps)
  if (json) return terminal.printJson({ skipped })
  for (const gap of skipped)
    terminal.print(
      `Partition ${gap.partition} continues at ${formatCount(gap.position)}: ${describeGap(gap)}`,
    )
}

async function findGaps(
  { db, log }: LogAccess,
  partition: number | undefined,
): Promise<OffsetGap[]> {
  const { gaps } = await readLag(db, log)
  return gaps.filter((gap) => partition === undefined || gap.partition === partition)
}

function describeGap({ expected, available, seenAt }: OffsetGap): string {
  const what =
    available > expected
      ? `${formatCount(available - expected)} records from offset ${formatCount(expected)} on were deleted before they were read`
      : `the log ends at offset ${formatCount(available)}, before ${formatCount(expected)}: it was recreated`
  return `${what} (seen ${formatMinute(seenAt)}).`
}
