import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../core/config.ts'
import { createQueryCommand } from './commands/query.ts'
import { createTerminal } from './terminal.ts'

/** What core responds, and the variables of each request. */
let explanation: object
let sent: { query: string; variables: Record<string, unknown> }[] = []
const core = createServer(async (request, response) => {
  let text = ''
  for await (const chunk of request) text += chunk
  const body = JSON.parse(text)
  sent.push(body)
  const isMetrics = !body.query.includes('explainChange')
  const asOf = { metrics: { metrics: { asOf: '2026-11-30T12:00:00.123456Z' } } }
  response.end(
    JSON.stringify(
      isMetrics
        ? { data: { metrics: [] }, extensions: asOf }
        : { data: { explainChange: explanation } },
    ),
  )
})
beforeAll(() => new Promise<void>((resolve) => core.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  core.closeAllConnections()
  core.close()
})

/** @returns the lines that are printed */
async function run(...args: string[]): Promise<string[]> {
  sent = []
  const lines: string[] = []
  const terminal = {
    ...createTerminal(false),
    print: (line = '') => lines.push(line),
    printJson: (value: unknown) => lines.push(JSON.stringify(value)),
    printTable: (header: readonly string[], rows: readonly (readonly string[])[]) =>
      lines.push(...[header, ...rows].map((row) => row.join('|'))),
  }
  const url = `http://127.0.0.1:${(core.address() as AddressInfo).port}`
  const command = createQueryCommand(readConfig({ SLUICE_READ_KEY: 'a-key' }), terminal)
  const quiet = command.exitOverride().configureOutput({ writeErr() {} })
  await quiet.parseAsync(['order', '--url', url, ...args], { from: 'user' })
  return lines
}

const CAUSES = [
  { cause: 'ARRIVED', events: 3, amount: 1_200.5 },
  { cause: 'RETENTION', events: null, amount: null },
]
const NOTHING = {
  ...{ points: [], causes: [], before: 5, after: 5, difference: 0, isComplete: true, inFlight: 0 },
  ...{ fromAsOf: '2026-11-29T00:00:00Z', toAsOf: '2026-11-30T00:00:00Z' },
  ...{ fromVersion: null, toVersion: null },
}

test('what changed since a moment is printed by causes and points, with what is not known', async () => {
  explanation = {
    ...NOTHING,
    ...{ causes: CAUSES, after: 1_205.5, difference: 1_200.5, isComplete: false, inFlight: 2 },
    points: [
      {
        ...{ timestamp: '2026-11-28T18:15:00Z', dimensions: { plan: null }, before: 5 },
        ...{ after: 1_205.5, difference: 1_200.5, causes: CAUSES.slice(0, 1) },
      },
    ],
  }
  const zone = ['--time-zone', 'Asia/Kathmandu', '--group-by', 'plan']
  const since = '2026-11-29T00:00:00.123456Z'
  expect(await run('--explain-since', since, '--aggregate', 'sum', ...zone)).toEqual([
    'Cause|Events|Amount',
    'arrived|+3|+1,200.5',
    'retention|not known|not known',
    '',
    'Time|plan|Before|After|Difference|Causes',
    '2026-11-29T00:00:00+05:45|(none)|5|1,205.5|+1,200.5|arrived +1,200.5',
    '',
    'SUM of order: 5, then 1,205.5 (+1,200.5), from 2026-11-29T05:45:00+05:45 to 2026-11-30T05:45:00+05:45.',
    'Single events were dropped since: how many of them the earlier result counted is not known.',
    'At most 2 of its events were still being written then.',
  ])
  // All its digits: an event of the same millisecond may have come after it.
  expect(sent.map(({ variables }) => variables.fromAsOf)).toEqual([since])
})

test('nothing is printed of causes where nothing changed', async () => {
  explanation = NOTHING
  const lines = await run('--explain-since', '2026-11-29', '--time-zone', 'Asia/Kathmandu')
  expect(lines).toHaveLength(1)
  expect(sent[0]?.variables.fromAsOf).toBe('2026-11-28T18:15:00.000Z')
  expect(await run('--explain-since', '2026-11-29', '--json')).toEqual([JSON.stringify(NOTHING)])
})

test('how long ago it was is measured by the clock of the server', async () => {
  await run('--explain-since', '36h')
  expect(sent[1]?.variables.fromAsOf).toBe('2026-11-29T00:00:00.123Z')
  await expect(run('--explain-since', 'yesterday')).rejects.toThrow('is not a time')
  await expect(run('--explain-since', '36h', '--csv')).rejects.toThrow('cannot be used with')
})
