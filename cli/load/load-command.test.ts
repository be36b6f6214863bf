import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { readConfig } from '../../core/config.ts'
import { createTerminal } from '../terminal.ts'
import { createLoadCommand } from './load-command.ts'
import { createPoster } from './post.ts'

afterEach(() => {
  process.exitCode = undefined
})

/** An edge that responds as the test wants it. */
async function startEdge(respond: (response: ServerResponse, n: number) => void): Promise<string> {
  let count = 0
  const server = createServer(async (request: IncomingMessage, response) => {
    await request.toArray()
    respond(response, count++)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const accept = (response: ServerResponse) =>
  response.writeHead(202).end('{"accepted":1,"rejected":0}')

/** Only sends, because there is no database. @returns what it prints */
async function load(url: string, ...args: string[]): Promise<string> {
  const lines: string[] = []
  const terminal = {
    ...createTerminal(false),
    print: (line = '') => void lines.push(line),
    printText: (text: string) => void lines.push(text),
    printTable: (header: readonly string[], rows: readonly (readonly string[])[]) =>
      void lines.push(header.join(), ...rows.map((row) => row.join())),
  }
  const command = createLoadCommand(readConfig({ SLUICE_KEY: 'a-key' }), terminal)
  const rates = ['--duplicate-rate', '0', '--bad-rate', '0']
  await command.parseAsync(['--url', url, ...rates, ...args], { from: 'user' })
  return lines.join('\n')
}

test('sluice load prints how long responses took, from the median to the longest', async () => {
  // Three of sixty are slow.
  const url = await startEdge((response, n) =>
    setTimeout(() => accept(response), n % 20 === 10 ? 100 + 10 * n : 0),
  )
  const out = await load(url, '--rps', '100', '--minutes', '0.01')
  const [, times] = /p50 \/ p95 \/ p99 \/ max: (.+) ms/.exec(out) ?? []
  const ms = times?.split(' / ').map(Number) ?? []
  expect(ms).toHaveLength(4)
  expect(ms).toEqual([...ms].sort((a, b) => a - b))
  expect(ms[2]).toBeGreaterThan(ms[1] as number)
  expect(out).toContain('60,60,0,0,0,0')
  expect(out).toContain('The numbers were not checked')
  expect(process.exitCode).toBeUndefined()
})

test('a response that contradicts what was sent is printed and makes the exit code 1, also where nothing else is checked', async () => {
  const url = await startEdge((response, n) =>
    n === 5 ? response.writeHead(202).end('{"accepted":2,"rejected":0}') : accept(response),
  )
  const out = await load(url, '--rps', '100', '--minutes', '0.002')
  expect(out).toContain('✗ a response reports 2 accepted and 0 rejected events instead of 1 and 0')
  expect(process.exitCode).toBe(1)
})

test('an edge that accepts nothing is an error that shows its first response', async () => {
  const url = await startEdge((response) => response.writeHead(401).end('unknown key'))
  await expect(load(url, '--rps', '50', '--minutes', '0.002')).rejects.toThrow(
    /accepted none of 6 events: 401 unknown key/,
  )
})

test.each([
  ['--rps', '0'],
  ['--rps', '20001'],
  ['--minutes', '-1'],
  ['--duplicate-rate', '0.51'],
  ['--bad-rate', '-0.1'],
  ['--bad-rate', 'many'],
])('%s %s is refused before anything is sent', async (option, value) => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const command = createLoadCommand(readConfig({ SLUICE_KEY: 'a-key' }), createTerminal(false))
  await expect(
    command.exitOverride().parseAsync(['--url', 'http://127.0.0.1:1', option, value], {
      from: 'user',
    }),
  ).rejects.toThrow(/Use a (number|share)/)
})

test('what was sent leaves no timer that keeps the command alive', async () => {
  const url = await startEdge((response, n) => (n < 2 ? accept(response) : response.destroy()))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const poster = createPoster(`${url}//`, 1)
  expect([await poster.post('a-key', '{}'), await poster.post('a-key', '{}')]).toMatchObject([
    { status: 202 },
    { status: 202 },
  ])
  await expect(poster.post('a-key', '{}')).rejects.toThrow()
  poster.close()
  await expect.poll(() => vi.getTimerCount()).toBe(0)
})
