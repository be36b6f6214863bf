import { parseArgs } from 'node:util'
import { withPostgres } from './lib/machine.ts'
import { medianRatio, medians, runArms, table } from './lib/run-arms.ts'
import { measureReads, type ReadFigure } from './lib/scale-reads.ts'
import { measureStartup, type StartupFigure } from './lib/scale-startup.ts'
import { measureWrites, type WriteArm, type WriteFigure } from './lib/scale-writes.ts'

/**
 * What tenants, names and days cost. Writing: the worker in a database with one tenant, ten names and one day, next to
 * the same with many, interleaved. Reading: every query in a database with many. Starting: how long until the first
 * batch is written there. In full size: --events 10000000.
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '2' },
    tenants: { type: 'string', default: '5000' },
    series: { type: 'string', default: '50000' },
    days: { type: 'string', default: '400' },
    /** Some of: writes, reads, startup. */
    parts: { type: 'string', default: 'writes,reads,startup' },
    arm: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
const EVENTS = Number(options.events)
const MANY = {
  tenants: Number(options.tenants),
  namesPerTenant: Math.round(Number(options.series) / Number(options.tenants)),
  days: Number(options.days),
}
const ONE = { tenants: 1, namesPerTenant: 10, days: 1 }
const BASELINE = 'one tenant, one day'
const ARMS: Record<string, WriteArm> = {
  [BASELINE]: ONE,
  'many days': { ...ONE, days: MANY.days },
  'many tenants and names': { ...MANY, days: 1 },
  'many tenants, names and days': MANY,
}

const report: { writes?: object; reads?: ReadFigure[]; startup?: object } = {}
await withPostgres(async (postgres) => {
  const parts = options.parts.split(',')
  if (parts.includes('reads')) report.reads = printReads(await measureReads(postgres, MANY))
  if (parts.includes('startup'))
    report.startup = printStartup({
      [BASELINE]: await measureStartup(postgres, ONE),
      'many tenants, names and days': await measureStartup(postgres, MANY),
    })
  if (!parts.includes('writes')) return
  const names = Object.keys(ARMS).filter((name) => name.includes(options.arm))
  const rounds = Number(options.rounds)
  const describe = options.json
    ? undefined
    : ({ rate }: WriteFigure) => `${Math.round(rate)} events/s`
  report.writes = printWrites(
    await runArms(names, { rounds, describe }, (name) =>
      measureWrites(postgres, ARMS[name] as WriteArm, EVENTS),
    ),
  )
})
if (options.json) console.log(JSON.stringify({ events: EVENTS, ...MANY, ...report }))

function print(title: string, rows: readonly (readonly string[])[]): void {
  if (!options.json) console.log(`\n${title}\n${table(rows)}`)
}

function printWrites(figures: ReadonlyMap<string, readonly WriteFigure[]>): object {
  const arms = [...figures].map(([name, all]) => {
    const one = figures.get(BASELINE)
    return {
      name,
      ...medians(all),
      // Above 1 where it costs more than with one tenant.
      slower: 1 / medianRatio(all, one, 'rate'),
      cpuRatio: medianRatio(withCpu(all), one && withCpu(one), 'cpu'),
    }
  })
  print(
    `${EVENTS.toLocaleString('en')} flights an arm, median of ${options.rounds} rounds; CPU in seconds per million events; × is the ratio to the first arm; rows written an event; commits, and how many of them notified of any tenant and of any bucket`,
    [
      [
        'arm',
        'events/s',
        'time ×',
        'CPU node',
        'CPU postgres',
        'CPU ×',
        'rows',
        'commits',
        'any tenant',
        'any bucket',
      ],
      ...arms.map((arm) => [
        arm.name,
        Math.round(arm.rate).toLocaleString('en'),
        arm.slower.toFixed(2),
        arm.nodeCpu.toFixed(1),
        arm.postgresCpu.toFixed(1),
        arm.cpuRatio.toFixed(2),
        arm.rowsPerEvent.toFixed(2),
        String(arm.batches),
        String(arm.anyTenant),
        String(arm.anyBucket),
      ]),
    ],
  )
  return arms
}

function withCpu(figures: readonly WriteFigure[]) {
  return figures.map((each) => ({ ...each, cpu: each.nodeCpu + each.postgresCpu }))
}

function printReads(reads: ReadFigure[]): ReadFigure[] {
  print(
    `Queries among ${MANY.days} days, ${MANY.tenants} tenants and ${options.series} series; sums over a query's statements, in ms; locks, partitions and rows of the statement with the most`,
    [
      [
        'query',
        'statements',
        'planning, cold',
        'planning',
        'execution',
        'locks',
        'planned',
        'read',
        'rows',
      ],
      ...reads.map((each) => [
        each.title,
        String(each.statements),
        each.coldPlanningMs.toFixed(1),
        each.planningMs.toFixed(1),
        each.executionMs.toFixed(1),
        String(each.locks),
        String(each.partitionsPlanned),
        String(each.partitionsRead),
        String(each.rowsRead),
      ]),
    ],
  )
  return reads
}

function printStartup(startup: Record<string, StartupFigure>): object {
  print('From the start of a worker, in ms', [
    ['database', 'outcomes', 'first batch written', 'maintenance done'],
    ...Object.entries(startup).map(([name, { outcomes, firstBatchMs, maintainedMs }]) => [
      name,
      outcomes.toLocaleString('en'),
      firstBatchMs.toFixed(0),
      maintainedMs.toFixed(0),
    ]),
  ])
  return startup
}
