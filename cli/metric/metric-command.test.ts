import { Command } from 'commander'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../../core/config.ts'
import { createBackfill } from '../../core/metrics/backfill.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createTerminal } from '../terminal.ts'
import { createMetricCommand } from './metric-command.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  await database.pool.query(
    `INSERT INTO tenant (slug) VALUES ('default');
     CREATE TABLE event_20261101 PARTITION OF event FOR VALUES FROM ('2026-11-01') TO ('2026-11-02')`,
  )
})
afterAll(() => database?.drop())

async function run(...args: string[]) {
  const printed: string[] = []
  const terminal = {
    ...createTerminal(false),
    print: (line = '') => printed.push(line),
    printJson: (value: unknown) => printed.push(JSON.stringify(value)),
    printTable: (_: unknown, rows: readonly (readonly string[])[]) =>
      printed.push(JSON.stringify(rows)),
  }
  const config = { ...readConfig(), databaseUrl: database.url }
  const program = new Command().exitOverride()
  program.addCommand(createMetricCommand(config, terminal))
  await program.parseAsync(['metric', ...args], { from: 'user' })
  return printed.join('\n')
}

test('a metric is declared, listed, shown with its progress and removed from the command line', async () => {
  const declared = await run(
    ...['declare', 'revenue', '--event', 'order', 'refund', '--filter', 'plan=pro', 'plan=team'],
    ...['--value', 'cart.total', '--dimension', 'source', '--wait', '0', '--json'],
  )
  expect(JSON.parse(declared)).toMatchObject({
    ...{ name: 'revenue', version: 1, events: ['order', 'refund'], state: 'backfilling' },
    ...{ filter: { plan: ['pro', 'team'] }, value: 'cart.total', dimensions: ['source'] },
    backfill: { days_done: 0, events: 0 },
  })
  expect(await run('show', 'revenue')).toContain('0 events, 0 of')
  const backfill = createBackfill(database.pool, new AbortController().signal)
  while ((await backfill.step()) === 'done');
  expect(await run('list')).toContain('plan=pro|team')
  expect(JSON.parse(await run('list', '--json'))).toMatchObject([{ state: 'active' }])
  expect(await run('declare', 'all', '--wait', '0')).toContain('all, version 1')
  expect(await run('retire', 'revenue')).toBe('Removed the metric revenue.')
  await expect(run('show', 'revenue')).rejects.toThrow('is not declared')
  await expect(run('declare', 'm', '--filter', 'plan')).rejects.toThrow('dimension=value')
}, 30_000)
