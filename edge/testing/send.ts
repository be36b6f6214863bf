import { Agent, request } from 'node:http'
import { findViolations } from './documented.ts'
import type { EdgeRequest, EdgeResponse } from './exchange.ts'

export type { EdgeRequest, EdgeResponse } from './exchange.ts'

const agent = new Agent({ keepAlive: true, maxSockets: 64 })
const RESPONSE_MS_MAX = 20_000

/**
 * Sends one HTTP request exactly as given; fetch would add headers and forbid some.
 * @throws where the response, of any test, violates the OpenAPI document
 */
export function send(port: number, sent: EdgeRequest): Promise<EdgeResponse> {
  const { method = 'POST', path = '/v1/events', headers = {}, body, chunked } = sent
  return new Promise((resolve, reject) => {
    const outgoing = request({
      agent,
      host: '127.0.0.1',
      port,
      method,
      path,
      timeout: RESPONSE_MS_MAX,
    })
    for (const [name, value] of Object.entries(headers)) outgoing.setHeader(name, value)
    outgoing.on('timeout', () => outgoing.destroy(new Error('no response in time')))
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const isJson = /[/+]json/.test(incoming.headers['content-type'] ?? '')
        const response = {
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text,
          json: isJson && text !== '' ? JSON.parse(text) : undefined,
        }
        const violations = findViolations(sent, response)
        if (violations.length === 0) resolve(response)
        else reject(new Error(`the response violates /openapi.json: ${violations.join('; ')}`))
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
      const ends = Array.isArray(chunked) ? chunked : chunkEnds(bytes.length)
      let from = 0
      for (const end of [...ends, bytes.length]) {
        if (end > from) outgoing.write(bytes.subarray(from, end))
        from = end
      }
    }
    outgoing.end(chunked ? undefined : bytes)
  })
}

function chunkEnds(length: number): number[] {
  return Array.from({ length: Math.floor(length / 64_000) }, (_, i) => (i + 1) * 64_000)
}

/** The part of a response that must be equal in every runtime: without ids, offsets, times and connection headers. */
export function comparable({ status, headers, text }: EdgeResponse): unknown {
  const compared = Object.entries(headers)
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
    headers: Object.fromEntries(compared),
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
