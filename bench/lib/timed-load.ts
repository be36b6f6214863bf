import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { responsesOf } from './plain-http.ts'

export interface TimedLoad {
  url: string
  headers: Record<string, string>
  connections: number
  /** Body of request number i, ASCII only. */
  body: (i: number) => string
  /** The number of the first request. */
  first: number
  seconds: number
  /** Requests a second regardless of response times; without it, each connection sends one after the other. */
  rate?: number | undefined
}

export interface TimedResult {
  /** The number of the next request. */
  next: number
  /** Milliseconds of each response; with a rate they count from when the request was due. */
  times: number[]
  /** Requests that were due and still waited for a connection at the end: never sent. */
  dropped: number
  /** From the first request to the last response. */
  seconds: number
}

interface Connection {
  socket: Socket
  nextResponse: ReturnType<typeof responsesOf>
}

const TICK_MS = 1
const RESPONSE_MS_MAX = 30_000

/**
 * Sends requests for some seconds, with as little CPU as possible, because the load generator shares the machine.
 * @throws when a response is not 202, or a connection is closed
 */
export async function timedLoad(load: TimedLoad): Promise<TimedResult> {
  const { hostname, port, pathname } = new URL(load.url)
  const head = [`POST ${pathname} HTTP/1.1`, `Host: ${hostname}:${port}`]
    .concat(Object.entries(load.headers).map(([name, value]) => `${name}: ${value}`))
    .join('\r\n')
  const connections = await Promise.all(
    Array.from({ length: load.connections }, () => open(hostname, Number(port))),
  )
  const times: number[] = []
  let next = load.first
  const start = performance.now()

  async function send({ socket, nextResponse }: Connection, since: number): Promise<void> {
    const i = next++
    const body = load.body(i)
    socket.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 'latin1')
    const { status, text } = await nextResponse()
    times.push(performance.now() - since)
    if (status !== 202) throw new Error(`request ${i}: ${status} ${text.slice(0, 300)}`)
  }

  try {
    const dropped =
      load.rate === undefined
        ? await sendInTurn(connections, start + load.seconds * 1000, send)
        : await sendAtRate(connections, { start, rate: load.rate, seconds: load.seconds }, send)
    return { next, times, dropped, seconds: (performance.now() - start) / 1000 }
  } finally {
    for (const { socket } of connections) socket.destroy()
  }
}

type Send = (connection: Connection, since: number) => Promise<void>

async function sendInTurn(
  connections: readonly Connection[],
  until: number,
  send: Send,
): Promise<number> {
  await Promise.all(
    connections.map(async (connection) => {
      for (let now = performance.now(); now < until; now = performance.now())
        await send(connection, now)
    }),
  )
  return 0
}

/** @returns how many were due but never sent */
async function sendAtRate(
  connections: readonly Connection[],
  { start, rate, seconds }: { start: number; rate: number; seconds: number },
  send: Send,
): Promise<number> {
  // The one that was idle for longest is used first, so that no server closes any of them.
  const idle = [...connections]
  let sent = 0
  let failure: unknown

  const dueBy = (now: number) =>
    Math.floor((Math.min(now - start, seconds * 1000) / 1000) * rate) - sent
  function sendDue(): void {
    for (let due = dueBy(performance.now()); due > 0 && idle.length > 0; due--) {
      const connection = idle.shift() as Connection
      send(connection, start + (sent++ / rate) * 1000).then(
        () => {
          idle.push(connection)
          if (!isOver()) sendDue()
        },
        (error) => {
          failure ??= error
        },
      )
    }
  }
  const isOver = () => failure !== undefined || performance.now() - start >= seconds * 1000

  while (!isOver()) {
    sendDue()
    await sleep(TICK_MS)
  }
  const dropped = dueBy(performance.now())
  // The requests in flight; each fails by its own time limit.
  while (failure === undefined && idle.length < connections.length) await sleep(TICK_MS)
  if (failure) throw failure
  return dropped
}

async function open(hostname: string, port: number): Promise<Connection> {
  const socket = connect(port, hostname)
  socket.setNoDelay(true)
  await once(socket, 'connect')
  socket.setTimeout(RESPONSE_MS_MAX, () =>
    socket.destroy(new Error(`no response within ${RESPONSE_MS_MAX} ms`)),
  )
  return { socket, nextResponse: responsesOf(socket) }
}
