import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

export interface LoadResponse {
  status: number
  body: string
}

export interface Poster {
  /** @throws when there is no response within 30 s */
  post(key: string, body: string): Promise<LoadResponse>
  close(): void
}

const RESPONSE_MS_MAX = 30_000
const BODY_BYTES_MAX = 4 * 1_024 * 1_024

/** Sends events to one edge over connections that stay open; fetch costs several times the CPU. */
export function createPoster(edgeUrl: string, connectionsMax: number): Poster {
  const url = new URL(`${edgeUrl.replace(/\/+$/, '')}/v1/events`)
  const isTls = url.protocol === 'https:'
  const options = { keepAlive: true, maxSockets: connectionsMax }
  const agent = isTls ? new HttpsAgent(options) : new HttpAgent(options)
  const request = isTls ? httpsRequest : httpRequest

  function post(key: string, body: string): Promise<LoadResponse> {
    return new Promise((resolve, reject) => {
      const sending = request(
        url,
        {
          agent,
          method: 'POST',
          headers: {
            Authorization: `Bearer ${key}`,
            'Content-Type': 'application/json',
            'Content-Length': Buffer.byteLength(body),
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          let bytes = 0
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length
            if (bytes > BODY_BYTES_MAX) response.destroy(new Error('the response is too long'))
            chunks.push(chunk)
          })
          response.on('error', reject)
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks).toString(),
            }),
          )
        },
      )
      const timer = setTimeout(
        () => sending.destroy(new Error(`no response within ${RESPONSE_MS_MAX / 1000} s`)),
        RESPONSE_MS_MAX,
      )
      sending.on('error', reject)
      sending.on('close', () => {
        clearTimeout(timer)
        // After the end of the response this changes nothing.
        reject(new Error('the connection was closed'))
      })
      sending.end(body)
    })
  }

  return { post, close: () => agent.destroy() }
}
