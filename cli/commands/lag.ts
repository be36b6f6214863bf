import { appendFileSync, existsSync, statSync } from 'node:fs'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { pause } from '../../core/lib/pause.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { type LagReport, readLag } from '../../core/queries/pipeline/lag.ts'
import { readBatches } from '../../core/queries/pipeline/worker-batches.ts'
import { duration, whole } from '../numbers.ts'
import { withLog } from '../open-log.ts'
import type { Terminal } from '../terminal.ts'

interface Options {
  json?: true
  csv?: string
  every?: number
  samples?: number
}

const EVERY_MS_DEFAULT = 10_000
const CSV_HEAD = 'timestamp,events_processed,lag,batch_time_ms,processing_rate'

/** One line of the file. */
interface Sample {
  atMs: number
  progress: LagReport
  batches: Map<string, { batches: number; ms: number }>
}

export function lagCommand(config: Config, terminal: Terminal): Command {
  return new Command('lag')
    .description('how far the workers are behind the log, partition by partition')
    .option('--json', 'for a script; with --every one object a line')
    .option('--csv <file>', `a line into a file every so often: ${CSV_HEAD}`)
    .option('--every <time>', 'again and again, until Ctrl-C: 500ms, 10s, 5m', every)
    .option('--samples <count>', 'as many times and no more', whole(1))
    .action((options: Options) =>
      withLog(config, async (open) => {
        const look = async (): Promise<Sample> => {
          const [progress, batches] = await Promise.all([
            readLag(open.db, open.log),
            readBatches(open.db),
          ])
          return { atMs: Date.now(), progress, batches }
        }
        if (options.csv === undefined && options.every === undefined)
          return show(terminal, options, await look())
        await again(terminal, options, look)
      }),
    )
}

async function again(
  terminal: Terminal,
  options: Options,
  look: () => Promise<Sample>,
): Promise<void> {
  const { csv, every: ms = EVERY_MS_DEFAULT, samples = Number.POSITIVE_INFINITY } = options
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  if (csv !== undefined) beginFile(csv)
  let last: Sample | undefined
  for (let i = 0; i < samples && !stop.signal.aborted; i++) {
    // Against the clock, so that slow answers do not add up.
    if (i > 0) await pause(ms - (Date.now() % ms), stop.signal)
    if (stop.signal.aborted) return
    try {
      const sample = await look()
      if (csv === undefined) show(terminal, options, sample)
      else appendFileSync(csv, `${csvLine(sample, last)}\n`)
      last = sample
    } catch (error) {
      // A minute without Kafka is what such a file is for; the line is missing, and it goes on.
      terminal.fail((error as Error).message)
    }
  }
}

function beginFile(file: string): void {
  try {
    if (!existsSync(file) || statSync(file).size === 0) appendFileSync(file, `${CSV_HEAD}\n`)
  } catch (error) {
    throw new UsageError((error as Error).message, 'Name a file that can be written.')
  }
}

/** Rates and times are of the time since the line before; the first line has none. */
export function csvLine(now: Sample, last: Sample | undefined): string {
  const { applied, lag } = now.progress
  const seconds = last ? (now.atMs - last.atMs) / 1000 : 0
  const rate = last && seconds > 0 ? (applied - last.progress.applied) / seconds : 0
  let batches = 0
  let ms = 0
  for (const [worker, total] of now.batches) {
    const before = last?.batches.get(worker) ?? (last ? { batches: 0, ms: 0 } : total)
    batches += total.batches - before.batches
    ms += total.ms - before.ms
  }
  const batchMs = batches > 0 ? ms / batches : 0
  return [new Date(now.atMs).toISOString(), applied, lag, batchMs.toFixed(1), rate.toFixed(1)].join(
    ',',
  )
}

function show(terminal: Terminal, { json, every: repeated }: Options, { progress }: Sample): void {
  const { partitions, lag, applied, gaps } = progress
  if (json) {
    const answer = { partitions, lag, applied, gaps }
    // A line each, so that a script can read them as they come.
    if (repeated === undefined) terminal.json(answer)
    else terminal.say(JSON.stringify(answer))
    return
  }
  const count = (value: number) => value.toLocaleString('en')
  terminal.table(
    ['Partition', 'Position', 'End', 'Lag', 'Worker'],
    partitions.map((each) => [
      String(each.partition),
      count(each.position),
      count(each.end),
      count(each.lag),
      each.worker ?? 'nobody',
    ]),
  )
  terminal.say(`${count(applied)} applied, ${count(lag)} to go.`)
  if (gaps.length > 0)
    terminal.fail(
      `Events are missing from the log in partition ${gaps.map(({ partition }) => partition).join(', ')}.`,
      '"npx sluice gap" tells what.',
    )
}

/** As `duration`, and milliseconds for the impatient. */
function every(text: string): number {
  const [, ms] = /^(\d{1,6})\s*ms$/.exec(text.trim()) ?? []
  return Math.max(100, ms === undefined ? duration(1)(text) : Number(ms))
}
