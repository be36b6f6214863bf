import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../../core/config.ts'
import { createTerminal } from '../terminal.ts'
import { createEventsCommand } from './events-command.ts'

const EVENT = {
  ...{ id: 'e-1', name: 'order', occurredAt: '2026-11-20T00:00:00Z', actor: null, value: 7 },
  properties: { plan: 'pro' },
}
let found: object[] = [EVENT]
let sent: Record<string, unknown> = {}
const core = createServer(async (request, response) => {
  let text = ''
  for await (const chunk of request) text += chunk
  sent = JSON.parse(text).variables
  const edges = found.map((node) => ({ node }))
  response.end(JSON.stringify({ data: { events: { edges, pageInfo: { hasNextPage: true } } } }))
})
beforeAll(() => new Promise<void>((resolve) => core.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  core.closeAllConnections()
  core.close()
})

async function run(...args: string[]): Promise<string[]> {
  const lines: string[] = []
  const terminal = {
    ...createTerminal(false),
    print: (line = '') => lines.push(line),
    printJson: (value: unknown) => lines.push(JSON.stringify(value)),
    printTable: (header: readonly string[], rows: readonly (readonly string[])[]) =>
      lines.push(...[header, ...rows].map((row) => row.join('|'))),
  }
  const url = `http://127.0.0.1:${(core.address() as AddressInfo).port}`
  const command = createEventsCommand(readConfig({ SLUICE_READ_KEY: 'a-key' }), terminal)
  const quiet = command.exitOverride().configureOutput({ writeErr() {} })
  await quiet.parseAsync(['--url', url, ...args], { from: 'user' })
  return lines
}

test('the events of an Idempotency-Key are listed, and that there are more', async () => {
  expect(await run('--idempotency-key', 'k-1', '--limit', '1')).toEqual([
    'Occurred|Name|Id|Actor|Value|Properties',
    '2026-11-20T00:00:00Z|order|e-1||7|{"plan":"pro"}',
    'There are more; --limit takes up to 100.',
  ])
  expect(sent).toEqual({ idempotencyKey: 'k-1', first: 1 })
  expect(await run('--request-id', 'r', '--json')).toEqual([JSON.stringify([EVENT])])
  expect(sent).toEqual({ requestId: 'r', first: 20 })
  found = []
  expect(await run('--name', 'order')).toEqual(['No such events are held.'])
  await expect(run('--limit', '101')).rejects.toThrow('from 1 to 100')
})
