import { execFileSync, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ROOT } from '../../core/lib/paths.ts'
import { isAlive, startStamp } from '../../tools/process/processes.ts'
import { startSender } from '../lib/sender.ts'
import { createTestHome, sendEvent, type TestHome, type TestSluice } from '../lib/sluice.ts'
import { expectAllStored } from '../lib/stored.ts'

let home: TestHome
beforeEach(() => {
  home = createTestHome()
})
afterEach(() => home.remove())

const LONG = { timeout: 240_000 }

describe('after SIGKILL', () => {
  test(
    'of every process, the next start recovers without help and has every accepted event',
    LONG,
    async () => {
      const { run, ended } = await home.start('--no-demo')
      const sender = startSender(run)
      await sleep(1_500)
      for (const pid of everythingOf(run)) kill(pid)
      await ended
      const accepted = await sender.stop()
      expect(accepted.size).toBeGreaterThan(50)

      const second = await home.start('--no-demo')
      await expectAllStored(second.run, accepted)
    },
  )

  test('of the supervisor alone, core, the edge and Postgres exit too', LONG, async () => {
    const { run, ended } = await home.start('--no-demo')
    kill(run.pid)
    await ended
    await expect
      .poll(() => [run.core_pid, run.edge_pid, run.postgres_pid].filter(isAlive), {
        timeout: 10_000,
      })
      .toEqual([])
  })

  test('of the edge, it restarts on its port', LONG, async () => {
    const { run } = await home.start('--no-demo')
    kill(run.edge_pid)
    await expect
      .poll(
        () =>
          sendEvent(run, { event: 'a' }).then(
            (answer) => answer.status,
            () => 'away',
          ),
        {
          timeout: 15_000,
        },
      )
      .toBe(202)
  })

  test(
    'a process id that was reused by another program does not count as a running Sluice',
    LONG,
    async () => {
      const first = await home.start('--no-demo')
      for (const pid of everythingOf(first.run)) kill(pid)
      await first.ended
      // As after a reboot: the old id is taken, by us.
      const { readRunFile, writeRunFile } = await import('../../local/run-file.ts')
      writeRunFile(home.folder, { ...readRunFile(home.folder), pid: process.pid } as never)
      expect(startStamp(process.pid)).not.toBe(first.run.pid_stamp)
      expect((await home.sluice('status')).code).toBe(3)
      await home.start('--no-demo')
    },
  )
})

describe('Ctrl-C', () => {
  test('a repeated SIGINT within an instant counts as one', LONG, async () => {
    const { run, process, ended } = await home.start()
    for (let i = 0; i < 3; i++) process.kill('SIGINT')
    expect(await ended).toBe(0)
    expect([run.core_pid, run.edge_pid, run.postgres_pid].filter(isAlive)).toEqual([])
  })

  test(
    'npm start exits with code 0, whether the signal reaches npm alone or its whole process group',
    LONG,
    async () => {
      for (const everybody of [false, true]) {
        const npm = spawn(
          'npm',
          ['start', '--', '--no-demo', '--edge-port', '0', '--core-port', '0'],
          {
            cwd: ROOT,
            env: { ...process.env, SLUICE_HOME: home.folder },
            detached: true,
            stdio: ['ignore', 'pipe', 'inherit'],
          },
        )
        const ended = new Promise((resolve) => npm.once('exit', (...how) => resolve(how)))
        await new Promise<void>((resolve) =>
          npm.stdout.on('data', (chunk) => {
            if (String(chunk).includes('Ctrl-C stops')) resolve()
          }),
        )
        process.kill(everybody ? -(npm.pid as number) : (npm.pid as number), 'SIGINT')
        expect(await ended).toEqual([0, null])
      }
      expect((await home.sluice('status')).code).toBe(3)
    },
  )

  test('a second SIGINT stops at once and leaves nothing running', LONG, async () => {
    const { run, process, ended } = await home.start()
    // Something that keeps the first from ending: Postgres does not answer.
    execFileSync('kill', ['-STOP', String(run.postgres_pid)])
    process.kill('SIGINT')
    await sleep(700)
    const at = Date.now()
    process.kill('SIGINT')
    expect(await ended).toBe(130)
    // The orderly stop would wait for Postgres far longer.
    expect(Date.now() - at).toBeLessThan(5_000)
    execFileSync('kill', ['-CONT', String(run.postgres_pid)])
    await expect
      .poll(() => [run.core_pid, run.edge_pid, run.postgres_pid].filter(isAlive), {
        timeout: 5_000,
      })
      .toEqual([])
  })

  test('the first SIGINT ends the start even when Postgres does not respond', LONG, async () => {
    const { run, stop } = await home.start()
    const pids = postgresOf(run)
    for (const pid of pids) execFileSync('kill', ['-STOP', String(pid)])
    const { seconds } = await stop()
    // They end when they find their server gone, which they cannot while they are stopped.
    for (const pid of pids) if (isAlive(pid)) execFileSync('kill', ['-CONT', String(pid)])
    expect(seconds).toBeLessThan(40)
    expect([run.core_pid, run.edge_pid, run.postgres_pid].filter(isAlive)).toEqual([])
  })
})

describe('Postgres unavailable for 20 seconds under load', () => {
  const AWAY_MS = 20_000

  test(
    'a frozen Postgres leads to 503 with Retry-After or success and never to a hang; no accepted event is missing or duplicated',
    LONG,
    async () => {
      const sluice = await home.start('--no-demo')
      const pids = postgresOf(sluice.run)
      await underLoad(sluice, async () => {
        for (const pid of pids) execFileSync('kill', ['-STOP', String(pid)])
        await sleep(AWAY_MS)
        for (const pid of pids) if (isAlive(pid)) execFileSync('kill', ['-CONT', String(pid)])
      })
    },
  )

  test('a Postgres killed every second leads to the same', LONG, async () => {
    const sluice = await home.start('--no-demo')
    await underLoad(sluice, async () => {
      const until = Date.now() + AWAY_MS
      while (Date.now() < until) {
        for (const pid of postgresOf(sluice.run)) kill(pid)
        await sleep(1_000)
      }
    })
  })

  async function underLoad(sluice: TestSluice, disturb: () => Promise<void>): Promise<void> {
    const sender = startSender(sluice.run)
    await sleep(1_000)
    await disturb()
    // Back to normal: accepted again.
    await expect
      .poll(() => sendEvent(sluice.run, { event: 'after' }).then((answer) => answer.status), {
        timeout: 30_000,
      })
      .toBe(202)
    const accepted = await sender.stop()
    expect(sender.strange).toEqual([])
    // A hang would last as long as the outage.
    expect(sender.slowestMs).toBeLessThan(AWAY_MS)
    await expectAllStored(sluice.run, accepted)
  }
})

function everythingOf(run: TestSluice['run']): number[] {
  return [run.pid, run.core_pid, run.edge_pid, ...postgresOf(run), ...guards()]

  function guards(): number[] {
    return pidsOf(
      (args) =>
        /read -r _/.test(args) &&
        [run.core_pid, run.edge_pid, run.postgres_pid].some((pid) => args.endsWith(` ${pid}`)),
    )
  }
}

/** The postmaster and all its backends, whichever they are by now. */
function postgresOf(run: TestSluice['run']): number[] {
  const { port } = new URL(run.database_url)
  const lines = processes()
  const master = lines.find(({ args }) => args.includes(`-c port=${port}`))
  if (!master) return []
  return [master.pid, ...lines.filter(({ parent }) => parent === master.pid).map(({ pid }) => pid)]
}

function pidsOf(matches: (args: string) => boolean): number[] {
  return processes()
    .filter(({ args }) => matches(args))
    .map(({ pid }) => pid)
}

function processes(): { pid: number; parent: number; args: string }[] {
  return execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const [, pid, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
      return pid ? [{ pid: Number(pid), parent: Number(parent), args: args ?? '' }] : []
    })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Ended already.
  }
}
