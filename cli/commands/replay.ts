import { Command, InvalidArgumentError } from 'commander'
import { TOPICS } from '../../contract/log/topics.ts'
import type { Config } from '../../core/config.ts'
import { recordAudit } from '../../core/identity/audit/audit-log.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { readLag } from '../../core/queries/pipeline/lag.ts'
import { type ReplayRange, replay } from '../../core/worker/replay/replay.ts'
import type { ReplayResult as BatchResult } from '../../core/worker/replay/replay-batch.ts'
import {
  type ReplayBound,
  type ReplayRequest,
  resolveReplayRanges,
} from '../../core/worker/replay/replay-ranges.ts'
import { formatCount } from '../format.ts'
import { parseTime, parseWholeNumber } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { CLI } from '../with-identity.ts'
import { type LogAccess, withLog } from '../with-log.ts'

interface Options extends ReplayRequest {
  dryRun?: true
  json?: true
}

type ReplayResult = BatchResult & { records: number }

export function createReplayCommand(config: Config, terminal: Terminal): Command {
  return new Command('replay')
    .description(
      'Read events.raw again: counted events stay counted once, missing events are added',
    )
    .requiredOption(
      '--from <offset|time>',
      'first record to read: an offset, or a time (RFC 3339)',
      parseBound,
    )
    .option(
      '--to <offset|time>',
      'end of the range, exclusive (default: the position of the workers)',
      parseBound,
    )
    .option(
      '--partition <number>',
      'only this partition',
      parseWholeNumber(0, TOPICS.raw.partitions - 1),
    )
    .option('--dry-run', 'show what would change, without changing anything')
    .option('--json', 'print JSON')
    .action((options: Options) =>
      withLog(config, async (access) => {
        const isDryRun = options.dryRun === true
        const { ranges, expired } = await findRanges(access, options)
        if (!isDryRun) await record(access, 'events.replay-begun', { ranges })
        const result = await replayWithProgress(config, terminal, access, ranges, isDryRun)
        if (!isDryRun) await record(access, 'events.replayed', result)
        if (options.json)
          terminal.printJson({ dry_run: isDryRun, ...result, expired, partitions: ranges })
        else printResult(terminal, result, expired, isDryRun)
      }),
    )
}

/** Of a replay, which is many transactions: what it was about to do, and what it did. */
async function record(
  { db }: LogAccess,
  action: 'events.replay-begun' | 'events.replayed',
  after: object,
): Promise<void> {
  const entry = { tenantId: 0, action, object: `log ${TOPICS.raw.name}`, after }
  await db.transaction().execute((tx) => recordAudit(tx, CLI, entry))
}

async function findRanges(
  { db, log }: LogAccess,
  options: Options,
): Promise<{ ranges: ReplayRange[]; expired: number }> {
  const { partitions } = await readLag(db, log)
  const positions = new Map(partitions.map(({ partition, position }) => [partition, position]))
  const resolved = await resolveReplayRanges(log, positions, options)
  if (resolved.ranges.length === 0)
    throw new UsageError(
      resolved.expired > 0
        ? 'The log no longer has any of these records.'
        : 'There are no records in this range to read again.',
      '"npm run sluice -- lag" shows the positions of the workers; a replay ends there.',
    )
  return resolved
}

async function replayWithProgress(
  config: Config,
  terminal: Terminal,
  { databaseUrl, log }: LogAccess,
  ranges: ReplayRange[],
  dryRun: boolean,
): Promise<ReplayResult> {
  const stop = new AbortController()
  process.once('SIGINT', () =>
    stop.abort(new UsageError('Stopped.', 'Records that were read again stay stored.')),
  )
  const total = ranges.reduce((sum, { from, to }) => sum + to - from, 0)
  const progress = terminal.progress(total, 'records')
  return await replay({
    databaseUrl,
    log,
    ranges,
    dryRun,
    retentionDays: config.retentionDays,
    signal: stop.signal,
    onProgress: (records) => progress.update(records),
  }).finally(() => progress.end())
}

function printResult(
  terminal: Terminal,
  { records, stored, recovered, unchanged, dead, refused }: ReplayResult,
  expired: number,
  isDryRun: boolean,
): void {
  const [would, be] = isDryRun ? ['would be ', 'are'] : ['', 'were']
  const fromDeadLetters = recovered > 0 ? ` (${formatCount(recovered)} ${be} dead letters)` : ''
  terminal.print(
    `${formatCount(records)} records read again${isDryRun ? ', nothing changed' : ''}: ${formatCount(unchanged)} unchanged, ${formatCount(stored)} ${would}added${fromDeadLetters}, ${formatCount(dead)} dead.`,
  )
  if (refused > 0)
    terminal.print(
      `${formatCount(refused)} refused: their days are deleted or about to be, so they could be counted twice.`,
    )
  if (expired > 0)
    terminal.print(`${formatCount(expired)} earlier records are no longer in the log.`)
}

function parseBound(text: string): ReplayBound {
  if (/^[\d_,]+$/.test(text)) return parseWholeNumber(0)(text)
  try {
    return parseTime(text)
  } catch {
    throw new InvalidArgumentError('Use an offset, or a time such as 2027-01-31T00:00:00Z.')
  }
}
