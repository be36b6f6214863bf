import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { type OffsetGap, readLag } from '../../core/queries/pipeline/lag.ts'
import { skipMissingOffsets } from '../../core/worker/consume/skip-offsets.ts'
import { whole } from '../numbers.ts'
import { withLog } from '../open-log.ts'
import type { Terminal } from '../terminal.ts'

export function gapCommand(config: Config, terminal: Terminal): Command {
  return new Command('gap')
    .description('where events are missing from the log; --accept lets the workers go on behind it')
    .option('--accept', 'what is lost is lost: go on with what the log still has')
    .option('--partition <number>', 'only this one', whole(0))
    .option('--json', 'for a script')
    .action((options: { accept?: true; partition?: number; json?: true }) =>
      withLog(config, async ({ db, log }) => {
        const { partition } = options
        const { gaps: all } = await readLag(db, log)
        const gaps = all.filter((gap) => partition === undefined || gap.partition === partition)
        if (options.accept) {
          if (gaps.length === 0)
            throw new UsageError('There is no gap to accept.', '"npx sluice lag" tells more.')
          const accepted = await skipMissingOffsets(db, log, gaps)
          if (options.json) return terminal.json({ accepted })
          for (const gap of accepted)
            terminal.say(
              `Partition ${gap.partition} goes on at ${count(gap.position)}. ${lost(gap)}`,
            )
          return
        }
        if (options.json) return terminal.json({ gaps })
        if (gaps.length === 0) return terminal.say('Nothing is missing.')
        for (const gap of gaps) terminal.say(`Partition ${gap.partition}: ${lost(gap)}`)
        terminal.say(terminal.muted('"npx sluice gap --accept" lets the workers go on behind it.'))
      }),
    )
}

function lost({ expected: wanted, available: found, seenAt }: OffsetGap): string {
  const what =
    found > wanted
      ? `${count(found - wanted)} records from ${count(wanted)} on were dropped before they were read`
      : `the log ends at ${count(found)}, before ${count(wanted)}: it was made anew`
  return `${what} (seen ${seenAt.slice(0, 16).replace('T', ' ')} UTC).`
}

function count(value: number): string {
  return value.toLocaleString('en')
}
