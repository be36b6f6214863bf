import { Command } from 'commander'
import { LIMITS } from '../../contract/limits.ts'
import type { Config } from '../../core/config.ts'
import { type BalanceMinute, readBalance } from '../../core/proof/balance.ts'
import { findUnaccountedIds } from '../../core/proof/unaccounted-ids.ts'
import { executeOn } from '../../core/worker/consume/skip-offsets.ts'
import { formatCount, formatMinute } from '../format.ts'
import { parseDuration, parseTime } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { type LogAccess, withLog } from '../with-log.ts'
import { findTenantId, readTenantNames } from './tenant-id.ts'

interface Options {
  last?: number
  from?: Date
  to?: Date
  tenant?: string
  all?: true
  json?: true
}

const MINUTE_MS = 60_000
const LAST_MS_DEFAULT = 86_400_000
const DAYS_MAX = LIMITS.outcomeMinuteDays - 2
const MINUTES_MAX = 100_000
const MINUTES_WITH_IDS_MAX = 10

export function createBalanceCommand(config: Config, terminal: Terminal): Command {
  return new Command('balance')
    .description('Compare what is in the log with the outcomes of events, minute by minute')
    .option(
      '--last <time>',
      'how far back, such as 30m, 24h or 7d (default: 24h)',
      parseDuration(DAYS_MAX),
    )
    .option('--from <time>', 'begin at this time of receipt (RFC 3339)', parseTime)
    .option('--to <time>', 'end before this time of receipt (RFC 3339)', parseTime)
    .option('--tenant <tenant>', 'only this tenant')
    .option('--all', 'list all minutes, not only those that do not add up or wait')
    .option('--json', 'print JSON')
    .action((options: Options) =>
      withLog(config, async (access) => {
        const result = await compare(access, options)
        if (options.json) terminal.printJson(result)
        else print(terminal, result)
        if (result.unaccounted !== 0) process.exitCode = 1
      }),
    )
}

type ListedMinute = Omit<BalanceMinute, 'tenantId' | 'inFlight'> & {
  tenant: string
  in_flight: number
  ids?: string[]
}

interface Result {
  unaccounted: number
  accepted: number
  in_flight: number
  /** Applied by workers, and not counted yet. */
  uncounted: number
  counting: boolean
  minutes: ListedMinute[]
}

async function compare({ db, log }: LogAccess, options: Options): Promise<Result> {
  const execute = executeOn(db)
  const nowMs = Date.now()
  const whole = (ms: number) => Math.floor(ms / MINUTE_MS) * MINUTE_MS
  const tenantId = await findTenantId(db, options.tenant)
  const balance = await readBalance(execute, {
    fromMs: whole(options.from?.getTime() ?? nowMs - (options.last ?? LAST_MS_DEFAULT)),
    toMs: whole(options.to?.getTime() ?? nowMs + 86_400_000),
    ...(tenantId !== undefined && { tenantId }),
    rowsMax: MINUTES_MAX,
  })
  const nameOf = await readTenantNames(db)
  const minutes: ListedMinute[] = []
  let searched = 0
  for (const { tenantId, inFlight, ...minute } of balance.minutes) {
    if (!options.all && minute.unaccounted === 0 && inFlight === 0) continue
    const isLost = minute.unaccounted > 0 && searched < MINUTES_WITH_IDS_MAX
    if (isLost) searched++
    const args = { tenantId, minute: minute.minute, signal: AbortSignal.timeout(60_000) }
    minutes.push({
      ...{ tenant: nameOf(tenantId), ...minute, in_flight: inFlight },
      ...(isLost && { ids: await findUnaccountedIds(execute, log, args) }),
    })
  }
  const sum = (of: (minute: BalanceMinute) => number) =>
    balance.minutes.reduce((total, minute) => total + of(minute), 0)
  return {
    unaccounted: sum(({ unaccounted }) => Math.abs(unaccounted)),
    accepted: sum(({ accepted }) => accepted),
    in_flight: sum(({ inFlight }) => inFlight),
    ...{ uncounted: balance.uncounted, counting: balance.hasBegun, minutes },
  }
}

function print(terminal: Terminal, result: Result): void {
  const { minutes, unaccounted, accepted, in_flight, uncounted, counting } = result
  if (!counting) {
    terminal.printError(
      'Nothing has counted the log yet.',
      'A worker does it: "npm run sluice -- status" shows whether one runs.',
    )
    return
  }
  if (minutes.length > 0)
    terminal.printTable(
      [
        'Tenant',
        'Minute',
        'Accepted',
        'Stored',
        'Duplicates',
        'Conflicting',
        'Dead',
        'In flight',
        'Unaccounted',
      ],
      minutes.map((each) => [
        each.tenant,
        formatMinute(each.minute),
        ...[
          each.accepted,
          each.stored,
          each.duplicates,
          each.conflicting,
          each.dead,
          each.in_flight,
          each.unaccounted,
        ].map(formatCount),
      ]),
    )
  for (const { tenant, minute, ids = [] } of minutes)
    if (ids.length > 0)
      terminal.print(
        `${tenant} ${formatMinute(minute)}, events without an outcome: ${ids.join(', ')}`,
      )
  terminal.print(
    `${formatCount(accepted)} accepted, ${formatCount(in_flight)} in flight, ${formatCount(unaccounted)} unaccounted.`,
  )
  if (uncounted > 0)
    terminal.print(
      terminal.muted(`${formatCount(uncounted)} more are applied and not counted yet.`),
    )
}
