import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { complaints } from './documented.ts'

export interface Sent {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** Without Content-Length, in pieces; they end at these bytes, in order, or after each 64 kB. */
  chunked?: boolean | readonly number[]
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json: any
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 })
const ANSWER_MS_MAX = 20_000

/**
 * One HTTP request just as it is written here; fetch would add headers and forbid some. Whatever is
 * answered, to whichever test, must be as the OpenAPI document has it: else it is thrown.
 */
export function send(port: number, sent: Sent): Promise<Answer> {
  const { method = 'POST', path = '/v1/events', headers = {}, body, chunked } = sent
  return new Promise((resolve, reject) => {
    const outgoing = request({
      agent,
      host: '127.0.0.1',
      port,
      method,
      path,
      timeout: ANSWER_MS_MAX,
    })
    for (const [name, value] of Object.entries(headers)) outgoing.setHeader(name, value)
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const isJson = /[/+]json/.test(incoming.headers['content-type'] ?? '')
        const answer = {
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text,
          json: isJson && text !== '' ? JSON.parse(text) : undefined,
        }
        const wrong = complaints(sent, answer)
        if (wrong.length === 0) resolve(answer)
        else reject(new Error(`not as /openapi.json has it: ${wrong.join('; ')}`))
      })
    })
    outgoing.on('error', reject)
    if (body === undefined) {
      outgoing.end()
      return
    }
    const bytes = Buffer.from(body as string)
    if (!chunked) outgoing.setHeader('content-length', bytes.length)
    else {
      outgoing.setHeader('transfer-encoding', 'chunked')
      const ends = Array.isArray(chunked) ? chunked : everySo(bytes.length)
      let from = 0
      for (const end of [...ends, bytes.length]) {
        if (end > from) outgoing.write(bytes.subarray(from, end))
        from = end
      }
    }
    outgoing.end(chunked ? undefined : bytes)
  })
}

function everySo(length: number): number[] {
  return Array.from({ length: Math.floor(length / 64_000) }, (_, i) => (i + 1) * 64_000)
}

/** What two runtimes must agree on: everything but ids, positions, moments and the connection's own headers. */
export function comparable({ status, headers, text }: Answer): unknown {
  const kept = Object.entries(headers)
    .filter(([name]) => !CONNECTION.has(name))
    .map(([name, value]) => [name, name === 'x-request-id' ? mask(String(value)) : value])
    .map(([name, value]) => [
      name,
      String(name).startsWith('ratelimit')
        ? String(value)
            .replace(/t=\d+/g, 't=…')
            .replace(/pk=:[A-Za-z0-9+/=]+:/g, 'pk=:…:')
        : value,
    ])
    .sort()
  return {
    status,
    headers: Object.fromEntries(kept),
    text: mask(text).replace(/"(partition|offset)":\d+/g, '"$1":…'),
  }
}

const CONNECTION = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
])

function mask(text: string): string {
  return text.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
}
