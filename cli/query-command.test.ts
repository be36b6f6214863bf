import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../core/config.ts'
import { createQueryCommand } from './commands/query.ts'
import type { MetricsVariables } from './query/metrics-request.ts'
import { createTerminal } from './terminal.ts'

/** A core that answers without any points, and what it was asked. */
let asked: MetricsVariables[] = []
const core = createServer(async (request, response) => {
  let text = ''
  for await (const chunk of request) text += chunk
  asked.push(JSON.parse(text).variables)
  response.end('{"data":{"metrics":[]}}')
})
beforeAll(() => new Promise<void>((resolve) => core.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  core.closeAllConnections()
  core.close()
})

/** The variables that the command sends. @throws what it tells its user */
async function ask(...args: string[]): Promise<MetricsVariables> {
  asked = []
  const url = `http://127.0.0.1:${(core.address() as AddressInfo).port}`
  const terminal = { ...createTerminal(false), printJson() {} }
  const command = createQueryCommand(readConfig({ SLUICE_READ_KEY: 'a-key' }), terminal)
  const quiet = command.exitOverride().configureOutput({ writeErr() {} })
  await quiet.parseAsync(['page_view', '--url', url, '--json', ...args], { from: 'user' })
  return asked[0] as MetricsVariables
}

test.each([
  [['plan=team'], [{ dimension: 'plan', in: ['team'] }]],
  [['page=/a?b=c&d=e'], [{ dimension: 'page', in: ['/a?b=c&d=e'] }]],
  [['plan='], [{ dimension: 'plan', in: [''] }]],
  [['plan=team', 'plan=free'], [{ dimension: 'plan', in: ['team', 'free'] }]],
  [
    ['plan=team', 'page=/', 'plan=free'],
    [
      { dimension: 'plan', in: ['team', 'free'] },
      { dimension: 'page', in: ['/'] },
    ],
  ],
])('the filters %j mean %j', async (filters, expected) => {
  const { filter } = await ask(...filters.flatMap((each) => ['--filter', each]))
  expect(filter).toEqual(expected)
})

test.each(['plan', '=team', ''])('--filter refuses %j', async (filter) => {
  await expect(ask('--filter', filter)).rejects.toThrow('Write it as dimension=value')
  expect(asked).toEqual([])
})

test.each([
  // The day on which the clocks of Berlin change has 23 hours.
  [
    '2026-03-29',
    '2026-03-30',
    'Europe/Berlin',
    '2026-03-28T23:00:00.000Z',
    '2026-03-29T22:00:00.000Z',
  ],
  [
    '2026-03-29',
    '2026-03-30',
    'Asia/Kathmandu',
    '2026-03-28T18:15:00.000Z',
    '2026-03-29T18:15:00.000Z',
  ],
  [
    '2026-03-29T01:00:00+05:45',
    '2026-03-29T01:00:00Z',
    'Europe/Berlin',
    '2026-03-28T19:15:00.000Z',
    '2026-03-29T01:00:00.000Z',
  ],
])('from %s to %s in %s is %s to %s', async (from, to, zone, startTime, endTime) => {
  const range = await ask('--from', from, '--to', to, '--time-zone', zone)
  expect(range).toMatchObject({ startTime, endTime, timeZone: zone })
})

test('without a start the range is the last day before its end, or as long as --last', async () => {
  const to = ['--to', '2026-03-29T01:00:00Z']
  const startOf = async (...args: string[]) => (await ask(...to, ...args)).startTime
  expect(await startOf()).toBe('2026-03-28T01:00:00.000Z')
  expect(await startOf('--last', '90m')).toBe('2026-03-28T23:30:00.000Z')
})

test.each([
  ['--from', '2026-02-30'],
  ['--from', 'yesterday'],
  ['--to', '2026-03-29T01:00:00'],
])('%s refuses %s as a time', async (option, text) => {
  await expect(ask(option, text)).rejects.toThrow(`${option}: "${text}" is not a time`)
})

test('choices are sent as GraphQL writes them, and what was not given is left out', async () => {
  const given = ['--interval', 'quarter-hour', '--aggregate', 'p95', '--group-by', 'plan,source']
  expect(await ask(...given, '--tenant', 'acme')).toMatchObject({
    name: 'page_view',
    interval: 'QUARTER_HOUR',
    aggregate: 'P95',
    groupBy: ['plan', 'source'],
    tenant: 'acme',
  })
  const { startTime, endTime, ...rest } = await ask()
  expect(rest).toEqual({ name: 'page_view', aggregate: 'COUNT', timeZone: 'UTC' })
})
