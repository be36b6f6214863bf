import { Command, InvalidArgumentError } from 'commander'
import { TOPICS } from '../../contract/log/topics.ts'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import type { Log, PartitionOffsets } from '../../core/log/log.ts'
import { type PartitionProgress, readLag } from '../../core/queries/pipeline/lag.ts'
import { type ReplayRange, replay } from '../../core/worker/replay/replay.ts'
import type { ReplayResult } from '../../core/worker/replay/replay-batch.ts'
import { moment, whole } from '../numbers.ts'
import { withLog } from '../open-log.ts'
import type { Terminal } from '../terminal.ts'

/** An offset, or when the log took the record. */
type Where = number | Date

interface Options {
  from: Where
  to?: Where
  partition?: number
  dryRun?: true
  json?: true
}

export function replayCommand(config: Config, terminal: Terminal): Command {
  return new Command('replay')
    .description('read events.raw again; what counted counts as it did, what was missing is added')
    .requiredOption(
      '--from <offset|time>',
      'where to begin: an offset, or a time (RFC 3339)',
      where,
    )
    .option(
      '--to <offset|time>',
      'where to end, itself not read again; else where the workers are',
      where,
    )
    .option('--partition <number>', 'only this one', whole(0, TOPICS.raw.partitions - 1))
    .option('--dry-run', 'only tell what would happen')
    .option('--json', 'for a script')
    .action((options: Options) =>
      withLog(config, async ({ db, log, databaseUrl }) => {
        const { partitions } = await readLag(db, log)
        const { ranges, gone } = await rangesOf(log, partitions, options)
        const total = ranges.reduce((sum, { from, to }) => sum + to - from, 0)
        const stop = new AbortController()
        process.once('SIGINT', () =>
          stop.abort(new UsageError('Stopped.', 'What was read again stays.')),
        )
        const progress = terminal.progress(total, 'records')
        const result = await replay({
          databaseUrl,
          log,
          ranges,
          dryRun: options.dryRun,
          retentionDays: config.retentionDays,
          signal: stop.signal,
          onProgress: (records) => progress.at(records),
        }).finally(() => progress.end())
        if (options.json)
          return terminal.json({
            dry_run: options.dryRun === true,
            ...result,
            gone,
            partitions: ranges,
          })
        tell(terminal, result, { gone, dryRun: options.dryRun === true })
      }),
    )
}

function tell(
  terminal: Terminal,
  result: ReplayResult & { records: number },
  { gone, dryRun }: { gone: number; dryRun: boolean },
): void {
  const count = (value: number) => value.toLocaleString('en')
  const { records, stored, recovered: revived, unchanged, dead, refused } = result
  terminal.say(
    `${count(records)} records read again${dryRun ? ', nothing changed' : ''}: ${count(unchanged)} there already, ${count(stored)} ${dryRun ? 'would be' : 'are'} added${revived > 0 ? ` (${count(revived)} ${dryRun ? 'are' : 'were'} dead letters)` : ''}, ${count(dead)} dead.`,
  )
  if (refused > 0)
    terminal.say(
      `${count(refused)} refused: they were received on days whose events are dropped or about to be, and could count twice.`,
    )
  if (gone > 0) terminal.say(`${count(gone)} records before that are no longer in the log.`)
}

/** No further than the workers have come: what they have yet to read they will read. */
async function rangesOf(
  log: Log,
  progress: readonly PartitionProgress[],
  { from, to, partition: only }: Options,
): Promise<{ ranges: ReplayRange[]; gone: number }> {
  const bounds = await log.offsets(TOPICS.raw.name)
  const begin = await offsetsOf(log, bounds, from)
  const end = to === undefined ? undefined : await offsetsOf(log, bounds, to)
  let gone = 0
  const ranges = bounds
    .filter(({ partition }) => only === undefined || partition === only)
    .map(({ partition, logStartOffset: first }): ReplayRange => {
      const applied = progress[partition]?.position ?? 0
      const wanted = begin.get(partition) as number
      const until = Math.min(end?.get(partition) ?? applied, applied)
      gone += Math.max(0, Math.min(first, until) - wanted)
      return { partition, from: Math.max(wanted, first), to: until }
    })
    .filter((range) => range.from < range.to)
  if (ranges.length === 0)
    throw new UsageError(
      gone > 0
        ? 'The log no longer holds any of these records.'
        : 'There is nothing to read again in this range.',
      '"npx sluice lag" shows the positions; a replay goes no further than the workers have come.',
    )
  return { ranges, gone }
}

async function offsetsOf(
  log: Log,
  bounds: readonly PartitionOffsets[],
  at: Where,
): Promise<ReadonlyMap<number, number>> {
  if (at instanceof Date) return log.offsetsAt(TOPICS.raw.name, at.getTime())
  return new Map(bounds.map(({ partition }) => [partition, at]))
}

function where(text: string): Where {
  if (/^[\d_,]+$/.test(text)) return whole(0)(text)
  try {
    return moment(text)
  } catch {
    throw new InvalidArgumentError('It takes an offset, or a time such as 2027-01-31T00:00:00Z.')
  }
}
