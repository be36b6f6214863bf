import { Agent, request } from 'node:http'

export interface SentRequest {
  status: number
  ms: number
  body: string
}

export interface Load {
  url: string
  /** Headers of every request, or of request number i. */
  headers: Record<string, string> | ((i: number) => Record<string, string>)
  /** Keep-alive connections. */
  connections: number
  /** Body of request number i. */
  body: (i: number) => string
}

/** Sends `count` requests, one after the other on each connection. */
export async function closedLoop(load: Load, count: number): Promise<SentRequest[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: load.connections })
  const sent: SentRequest[] = new Array(count)
  let next = 0
  async function connection() {
    for (let i = next++; i < count; i = next++) sent[i] = await post(agent, load, i)
  }
  await Promise.all(Array.from({ length: load.connections }, connection))
  agent.destroy()
  return sent
}

/** Sends requests at a constant rate regardless of response times; latency counts from when a request was due. */
export async function openLoop(
  load: Load,
  perSecond: number,
  seconds: number,
  onSecond?: (second: number) => void,
): Promise<SentRequest[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: load.connections })
  const pending: Promise<SentRequest>[] = []
  const start = performance.now()
  for (let tick = 0; ; tick++) {
    const elapsed = performance.now() - start
    if (elapsed >= seconds * 1000) break
    if (tick % 200 === 0) onSecond?.(Math.floor(elapsed / 1000))
    const due = Math.floor((elapsed / 1000) * perSecond)
    while (pending.length < due) {
      const dueAt = start + (pending.length / perSecond) * 1000
      pending.push(post(agent, load, pending.length, dueAt))
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const sent = await Promise.all(pending)
  agent.destroy()
  return sent
}

function post(
  agent: Agent,
  load: Load,
  i: number,
  startedAt = performance.now(),
): Promise<SentRequest> {
  const body = Buffer.from(load.body(i))
  return new Promise((resolve) => {
    const failed = (error: Error) =>
      resolve({ status: 0, ms: performance.now() - startedAt, body: String(error) })
    const sending = request(
      load.url,
      {
        agent,
        method: 'POST',
        timeout: 30_000,
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': body.length,
          ...(typeof load.headers === 'function' ? load.headers(i) : load.headers),
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', failed)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            ms: performance.now() - startedAt,
            body: Buffer.concat(chunks).toString(),
          }),
        )
      },
    )
    sending.on('error', failed)
    sending.on('timeout', () => sending.destroy(new Error('no response within 30 s')))
    sending.end(body)
  })
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] ?? 0
}
