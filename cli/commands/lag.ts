import { appendFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { pause } from '../../core/lib/pause.ts'
import { type LagReport, readLag } from '../../core/queries/pipeline/lag.ts'
import { readBatches } from '../../core/queries/pipeline/worker-batches.ts'
import { formatCount } from '../format.ts'
import { formatLagCsvLine, LAG_CSV_HEADER, type LagSample, startLagCsv } from '../lag-csv.ts'
import { parseDuration, parseWholeNumber } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { type LogAccess, withLog } from '../with-log.ts'

interface Options {
  json?: true
  csv?: string
  every?: number
  samples?: number
}

const EVERY_MS_DEFAULT = 10_000
const EVERY_MS_MIN = 100

export function createLagCommand(config: Config, terminal: Terminal): Command {
  return new Command('lag')
    .description('Show how far the workers are behind the log, by partition')
    .option('--json', 'print JSON; with --every one object a line')
    .option('--csv <file>', `append one line per sample to a file: ${LAG_CSV_HEADER}`)
    .option('--every <time>', 'repeat until Ctrl-C, such as 500ms, 10s or 5m', parseInterval)
    .option('--samples <count>', 'stop after this number of samples', parseWholeNumber(1))
    .action((options: Options) =>
      withLog(config, async (access) => {
        if (options.csv === undefined && options.every === undefined)
          return printLag(terminal, options, (await takeSample(access)).report)
        await repeat(terminal, options, () => takeSample(access))
      }),
    )
}

async function takeSample({ db, log }: LogAccess): Promise<LagSample> {
  const [report, batches] = await Promise.all([readLag(db, log), readBatches(db)])
  return { atMs: Date.now(), report, batches }
}

async function repeat(
  terminal: Terminal,
  options: Options,
  takeSample: () => Promise<LagSample>,
): Promise<void> {
  const { csv, every: everyMs = EVERY_MS_DEFAULT, samples = Number.POSITIVE_INFINITY } = options
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  if (csv !== undefined) startLagCsv(csv)
  let previous: LagSample | undefined
  for (let i = 0; i < samples && !stop.signal.aborted; i++) {
    // Aligned with the clock, so that slow responses do not add up.
    if (i > 0) await pause(everyMs - (Date.now() % everyMs), stop.signal)
    if (stop.signal.aborted) return
    try {
      const sample = await takeSample()
      if (csv === undefined) printLag(terminal, options, sample.report)
      else appendFileSync(csv, `${formatLagCsvLine(sample, previous)}\n`)
      previous = sample
    } catch (error) {
      // An outage of the log or of Postgres leaves lines out; the samples continue.
      terminal.printError((error as Error).message)
    }
  }
}

function printLag(terminal: Terminal, { json, every }: Options, report: LagReport): void {
  const { partitions, lag, applied, gaps } = report
  if (json) {
    const result = { partitions, lag, applied, gaps }
    // With --every one line each, so that a script can read them as they come.
    if (every === undefined) terminal.printJson(result)
    else terminal.print(JSON.stringify(result))
    return
  }
  terminal.printTable(
    ['Partition', 'Position', 'End', 'Lag', 'Worker'],
    partitions.map(({ partition, position, end, lag, worker }) => [
      String(partition),
      formatCount(position),
      formatCount(end),
      formatCount(lag),
      worker ?? 'none',
    ]),
  )
  terminal.print(`${formatCount(applied)} records applied, ${formatCount(lag)} behind.`)
  if (gaps.length > 0)
    terminal.printError(
      `Records are missing from the log in partition ${gaps.map(({ partition }) => partition).join(', ')}.`,
      '"npm run sluice -- offsets list" shows which.',
    )
}

/** As parseDuration, and milliseconds. */
function parseInterval(text: string): number {
  const [, ms] = /^(\d{1,6})\s*ms$/.exec(text.trim()) ?? []
  return Math.max(EVERY_MS_MIN, ms === undefined ? parseDuration(1)(text) : Number(ms))
}
