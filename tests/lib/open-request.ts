import { once } from 'node:events'
import { request } from 'node:http'

/** A POST whose server has begun to read it, and waits for its body. */
export interface OpenRequest {
  /** Sends the body. @returns the status of the response */
  complete(): Promise<number>
}

export async function openRequest(
  url: string,
  headers: Record<string, string>,
  body: string,
): Promise<OpenRequest> {
  const sent = request(url, {
    method: 'POST',
    agent: false,
    headers: { ...headers, 'content-length': body.length, expect: '100-continue' },
  })
  const responded = once(sent, 'response')
  // Its rejection is the one of `complete`.
  responded.catch(() => {})
  await Promise.race([once(sent, 'continue'), responded])
  return {
    async complete() {
      sent.end(body)
      const [response] = await responded
      response.resume()
      return response.statusCode
    },
  }
}
