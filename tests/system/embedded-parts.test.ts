import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Part, PartName } from '../../local/parts.ts'
import { type RunFile, readRunFile } from '../../local/run-file.ts'
import { isAlive } from '../../tools/process/processes.ts'
import { startSender } from '../lib/sender.ts'
import { createTestHome, sendEvent, type TestHome, type TestSluice } from '../lib/sluice.ts'
import { expectAllStored } from '../lib/stored.ts'

/** Each part of `npm start` ends on its own, for real, while events come in. */
const LONG = { timeout: 180_000 }
const PARTS = ['postgres', 'core', 'edge'] as const

const PROCESS_NAMES = { postgres: 'Postgres', core: 'core', edge: 'collector' }

let home: TestHome
let sluice: TestSluice
beforeAll(async () => {
  // The inspector, which a test uses to fill core's heap, takes a free port.
  home = createTestHome({ NODE_OPTIONS: '--inspect-port=0' })
  sluice = await home.start('--no-demo')
})
afterAll(() => home?.remove())

test(
  'npm start runs Postgres, core and the edge as processes of their own, started in this order',
  LONG,
  async () => {
    const parts = readParts()
    expect(parts.map(({ name }) => name)).toEqual([...PARTS])
    expect(new Set([sluice.run.pid, ...parts.map(({ pid }) => pid)]).size).toBe(4)
    for (const part of parts) {
      expect(isAlive(part.pid as number)).toBe(true)
      expect(part.restarts).toBe(0)
      expect(part.since).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    }
    const text = (await home.sluice('status')).out
    for (const { name, pid } of parts) expect(text).toMatch(new RegExp(`${name} +${pid} +20`))
  },
)

describe.each(PARTS)('%s killed with SIGKILL under load', (name) => {
  test('restarts alone, and every accepted event is stored once', LONG, async () => {
    await expectRecovery(name, `${name}-killed`, async (pid) => {
      process.kill(pid, 'SIGKILL')
    })
    expect(sluice.output()).toMatch(
      new RegExp(`${PROCESS_NAMES[name]} ended \\(SIGKILL\\), restarting it`),
    )
  })
})

test(
  'core out of heap memory restarts alone, and every accepted event is stored once',
  LONG,
  async () => {
    await expectRecovery('core', 'heap', fillHeap)
    expect(sluice.output()).toMatch(/core ended \(SIGABRT\), restarting it/)
  },
)

test(
  'a core that is killed again and again is restarted later each time, and the terminal says when',
  LONG,
  async () => {
    const { restarts } = find('core')
    await home.sluice('key', 'revoke', sluice.run.write_key.slice(0, 12))
    for (let times = 1; times <= 3; times++) {
      process.kill(find('core').pid as number, 'SIGKILL')
      await expect
        .poll(() => find('core'), { timeout: 60_000, interval: 250 })
        .toMatchObject({ restarts: restarts + times, pid: expect.any(Number) })
    }
    expect(sluice.output()).toMatch(/core ended \(SIGKILL\), restarting it in \d+\.\d s\./)
    // The write key was revoked while core was up: the next core has another one, and the run file names it.
    const run = readRunFile(home.folder) as RunFile
    expect(run.write_key).not.toBe(sluice.run.write_key)
    expect((await sendEvent(run, { event: 'after' })).status).toBe(202)
  },
)

test('a stop ends every part and leaves no process behind', LONG, async () => {
  const pids = readParts().map(({ pid }) => pid as number)
  const { code } = await sluice.stop()
  expect(code).toBe(0)
  expect([sluice.run.pid, ...pids].filter(isAlive)).toEqual([])
})

/** Ends one part while events come in: it is back, the others have the same processes, nothing is missing or double. */
async function expectRecovery(
  name: PartName,
  prefix: string,
  end: (pid: number) => Promise<void>,
): Promise<void> {
  const before = readParts()
  const part = before.find((each) => each.name === name) as Part
  const sender = startSender(sluice.run, prefix)
  await expect.poll(() => sender.accepted.size).toBeGreaterThan(20)
  await end(part.pid as number)
  await expect
    .poll(() => find(name), { timeout: 60_000, interval: 250 })
    .toMatchObject({ restarts: part.restarts + 1, pid: expect.any(Number) })
  const acceptedBefore = sender.accepted.size
  await expect
    .poll(() => sender.accepted.size, { timeout: 60_000 })
    .toBeGreaterThan(acceptedBefore + 20)
  const accepted = await sender.stop()
  const after = readParts()
  expect(sender.strange).toEqual([])
  expect(after.find((each) => each.name === name)?.pid).not.toBe(part.pid)
  for (const other of before.filter((each) => each.name !== name))
    expect(after).toContainEqual(other)
  await expectAllStored(sluice.run, accepted)
}

/** Allocates in core, over its inspector, until V8 gives up. */
async function fillHeap(pid: number): Promise<void> {
  process.kill(pid, 'SIGUSR1')
  const log = `${home.folder}/core.log`
  let url = ''
  await expect
    .poll(() => {
      url =
        readFileSync(log, 'utf8')
          .match(/ws:\/\/\S+/g)
          ?.at(-1) ?? ''
      return url
    })
    .not.toBe('')
  const socket = new WebSocket(url)
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
  const expression = 'const kept = []; for (;;) kept.push(new Array(10_000).fill(kept.length))'
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }))
  await expect.poll(() => isAlive(pid), { timeout: 60_000, interval: 100 }).toBe(false)
  socket.close()
}

function find(name: PartName): Part {
  return readParts().find((part) => part.name === name) as Part
}

function readParts(): Part[] {
  return readRunFile(home.folder)?.parts ?? []
}
