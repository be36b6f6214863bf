import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../embedded/ports.ts'

/** A real Redis of one test's own, to be stopped, started again and frozen; it keeps nothing on disk. */
export interface TestRedis {
  url: string
  readonly pid: number
  stop(): Promise<void>
  /** On the same port, and empty. */
  start(): Promise<void>
}

const START_MS_MAX = 5_000

export async function startTestRedis(): Promise<TestRedis> {
  const port = await freePort()
  let child: ChildProcess

  async function start(): Promise<void> {
    const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: tmpdir() }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    child = spawn('redis-server', args, { stdio: 'ignore' })
    const died = once(child, 'exit')
    const deadline = Date.now() + START_MS_MAX
    while (!(await answers(port))) {
      if (Date.now() > deadline || child.exitCode !== null) {
        child.kill('SIGKILL')
        await died
        throw new Error(`redis-server did not start on port ${port}`)
      }
      await sleep(10)
    }
  }

  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid as number
    },
    start,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const end = (said: boolean) => {
      socket.destroy()
      resolve(said)
    }
    socket.once('data', (bytes) => end(bytes.toString().startsWith('+PONG')))
    socket.once('error', () => end(false))
    socket.setTimeout(1_000, () => end(false))
  })
}
