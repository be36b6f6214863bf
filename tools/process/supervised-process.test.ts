import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { pidFilePath, stopLeftovers, writePidFile } from './pid-file.ts'
import { isAlive, waitUntilEnded } from './processes.ts'
import {
  createSupervisedProcess,
  type SupervisedProcess,
  type SupervisedProcessOptions,
} from './supervised-process.ts'

let home: string
let supervised: SupervisedProcess | undefined
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sluice-supervised-'))
})
afterEach(async () => {
  vi.useRealTimers()
  await supervised?.kill()
  supervised = undefined
  rmSync(home, { recursive: true, force: true })
})

/** A shell script that is ready when it has printed `ready`. */
function create(script: string, options: Partial<SupervisedProcessOptions> = {}) {
  const logFile = join(home, 'log')
  supervised = createSupervisedProcess({
    name: 'Sleeper',
    command: '/bin/sh',
    args: ['-c', script],
    cwd: home,
    logFile,
    pidFile: pidFilePath(home),
    async waitUntilReady(_, signal) {
      while (!signal.aborted && !readFileSync(logFile, 'utf8').includes('ready'))
        await new Promise((resolve) => setTimeout(resolve, 10))
    },
    startMsMax: 20_000,
    stopSteps: [
      { signal: 'SIGTERM', graceMs: 5_000 },
      { signal: 'SIGKILL', graceMs: 2_000 },
    ],
    watchdogSignal: 'TERM',
    ...options,
  })
  return supervised
}

const SLEEP = 'echo ready; exec sleep 600'

describe('a supervised process', () => {
  test('is ready after start, ends with stop, and can be started again', async () => {
    const sleeper = create(SLEEP)
    expect(sleeper.pid).toBeUndefined()
    await sleeper.start()
    const first = sleeper.pid as number
    expect(isAlive(first)).toBe(true)
    await sleeper.stop()
    expect([isAlive(first), sleeper.pid]).toEqual([false, undefined])
    await sleeper.start()
    expect(sleeper.pid).not.toBe(first)
  })

  test('whose start fails reports the last line of its output and its log file', async () => {
    const failing = create('echo first; echo "no space left" >&2; exit 1')
    await expect(failing.start()).rejects.toThrow(
      `Sleeper ended while starting: no space left (log: ${home}/log)`,
    )
    expect(failing.pid).toBeUndefined()
    const missing = create('', { command: join(home, 'no-such-program') })
    await expect(missing.start()).rejects.toThrow('ENOENT')
  })

  test('that is not ready in time is stopped', async () => {
    const slow = create('echo $$; exec sleep 600', { startMsMax: 300 })
    await expect(slow.start()).rejects.toThrow('Sleeper was not ready within 0.3 s')
    const pid = Number(readFileSync(join(home, 'log'), 'utf8'))
    expect(isAlive(pid)).toBe(false)
  })

  test('is started again within the same start after a transient failure', async () => {
    const script = `if mkdir seen; then echo "block in use"; exit 1; fi; ${SLEEP}`
    const sleeper = create(script, { isTransientFailure: (output) => output.includes('in use') })
    await sleeper.start()
    expect(sleeper.pid).toBeDefined()
  })

  test('whose start fails reports nothing that its log has from earlier starts', async () => {
    writeFileSync(join(home, 'log'), 'block in use\n')
    const failing = create('echo again >> starts; exit 1', {
      isTransientFailure: (output) => output.includes('in use'),
      startMsMax: 1_000,
    })
    await expect(failing.start()).rejects.toThrow(`Sleeper ended while starting:  (log: ${home}`)
    expect(readFileSync(join(home, 'starts'), 'utf8')).toBe('again\n')
  })

  test('that is stopped while starting does not stay alive', async () => {
    const sleeper = create('echo $$; exec sleep 600')
    const starting = sleeper.start()
    const failed = expect(starting).rejects.toThrow('was stopped while starting')
    await expect.poll(() => sleeper.pid).toBeDefined()
    const pid = sleeper.pid as number
    await sleeper.stop()
    await failed
    expect(isAlive(pid)).toBe(false)
  })

  test('is restarted when it ends by itself, and stays down after a stop', async () => {
    const reasons: string[] = []
    const restarted: number[] = []
    const sleeper = create(SLEEP, {
      restart: {
        baseMs: 10,
        maxMs: 50,
        onEnd: (reason) => reasons.push(reason),
        onRestarted: (_, pid) => restarted.push(pid),
      },
    })
    await sleeper.start()
    for (let times = 1; times <= 3; times++) {
      process.kill(sleeper.pid as number, 'SIGKILL')
      await expect.poll(() => restarted.length, { timeout: 10_000 }).toBe(times)
    }
    expect(reasons).toEqual(Array(3).fill('Sleeper ended (SIGKILL)'))
    await sleeper.stop()
    expect(sleeper.pid).toBeUndefined()
    expect(restarted).toHaveLength(3)
  })

  test.each([
    ['at once, when every process that became ready was steady', undefined, 0, [0, 0, 0, 0]],
    ['later each time, when none ran for steadyMs', 600_000, 0, [0, 10, 20, 40]],
    ['at once, when each ran for exactly steadyMs', 600_000, 600_000, [0, 0, 0, 0]],
    ['later each time, when each ran for a little less', 600_000, 599_000, [0, 10, 20, 40]],
  ])('is restarted %s', async (_, steadyMs, ranMs, expected) => {
    const delays: number[] = []
    let restarted = 0
    const sleeper = create(SLEEP, {
      restart: {
        baseMs: 10,
        maxMs: 50,
        steadyMs,
        onEnd: (_, delayMs) => delays.push(delayMs),
        onRestarted: () => restarted++,
      },
    })
    vi.useFakeTimers({ toFake: ['Date'], now: 0 })
    await sleeper.start()
    for (let times = 1; times <= expected.length; times++) {
      vi.setSystemTime(Date.now() + ranMs)
      process.kill(sleeper.pid as number, 'SIGKILL')
      await expect.poll(() => restarted, { timeout: 10_000 }).toBe(times)
    }
    expect(delays).toEqual(expected)
  })

  test('stays down after it ended by itself when no restart is configured', async () => {
    const sleeper = create(SLEEP)
    await sleeper.start()
    process.kill(sleeper.pid as number, 'SIGKILL')
    await expect.poll(() => sleeper.pid).toBeUndefined()
  })

  test('ends when its parent is killed', async () => {
    const script = `
      import { createSupervisedProcess } from ${JSON.stringify(join(import.meta.dirname, 'supervised-process.ts'))}
      const child = createSupervisedProcess({
        name: 'Sleeper', command: 'sleep', args: ['600'], cwd: '/', logFile: ${JSON.stringify(join(home, 'log'))},
        waitUntilReady: async () => {}, startMsMax: 5000, stopSteps: [], watchdogSignal: 'TERM',
      })
      await child.start()
      console.log(child.pid)
      setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(parent.stdout, 'data')
    const pid = Number(line)
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    expect(await waitUntilEnded(pid, 10_000)).toBe(true)
  })

  test('that a killed parent left running is stopped by the next start', async () => {
    const leftover = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
    writePidFile(pidFilePath(home), leftover.pid as number)
    await create(SLEEP).start()
    expect(isAlive(leftover.pid as number)).toBe(false)
  })
})

test('stopLeftovers leaves a process alone whose id was used again', async () => {
  const other = spawn('sleep', ['600'], { stdio: 'ignore' })
  writePidFile(pidFilePath(home), other.pid as number)
  const file = readFileSync(pidFilePath(home), 'utf8')
  writeFileSync(pidFilePath(home), file.replace(/ .*/, ' 1'))
  await stopLeftovers(home)
  expect(isAlive(other.pid as number)).toBe(true)
  other.kill('SIGKILL')
})
