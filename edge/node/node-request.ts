import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Bytes } from '../lib/bytes.ts'
import { IncomingBody } from './incoming-body.ts'

/**
 * The part of `Request` that the edge uses, over Node's own message. A real one, with its Headers, stream and AbortSignal,
 * costs more than all else that is done with a small event.
 */
export class NodeRequest {
  readonly method: string
  readonly url: string
  readonly headers: NodeHeaders
  readonly #body: IncomingBody | undefined

  /** @throws TypeError when the request names no host, or its host or URL is invalid */
  constructor(incoming: IncomingMessage) {
    this.method = incoming.method as string
    this.url = urlOf(incoming)
    this.headers = new NodeHeaders(incoming.headers)
    this.#body = hasBody(incoming) ? new IncomingBody(incoming) : undefined
  }

  get body() {
    const body = this.#body
    if (!body || this.method === 'GET' || this.method === 'HEAD') return null
    const cancel = async () => body.discard()
    return {
      cancel,
      getReader(options?: { mode: string }) {
        if (options) throw new TypeError('this body has no other reader than the default one')
        return {
          async read() {
            const value = await body.next()
            return { done: value === undefined, value }
          },
          cancel,
        }
      },
    }
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const { buffer, byteOffset, byteLength } = (await this.#body?.whole()) ?? new Uint8Array()
    if (byteLength === buffer.byteLength) return buffer
    return buffer.slice(byteOffset, byteOffset + byteLength)
  }

  async bytes(): Promise<Bytes> {
    return (await this.#body?.whole()) ?? new Uint8Array()
  }

  /** What nobody has read of the body when the response is complete. */
  discardBody(): void {
    this.#body?.discard()
  }
}

class NodeHeaders {
  readonly #fields: IncomingHttpHeaders

  constructor(fields: IncomingHttpHeaders) {
    this.#fields = fields
  }

  get(name: string): string | null {
    const value = this.#fields[name.toLowerCase()]
    return Array.isArray(value) ? value.join(', ') : (value ?? null)
  }

  has(name: string): boolean {
    return this.get(name) !== null
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (const name of Object.keys(this.#fields).sort()) yield [name, this.get(name) as string]
  }

  entries() {
    return this[Symbol.iterator]()
  }

  forEach(use: (value: string, name: string) => void): void {
    for (const [name, value] of this) use(value, name)
  }
}

/**
 * The path as it was sent: nothing resolves `/x/../v1/events`. A path that a proxy in front does not see must not choose
 * the route: neither one in the Host header nor one in the query of an absolute URL.
 */
function urlOf({ url = '/', headers, socket }: IncomingMessage): string {
  const scheme = (socket as TLSSocket).encrypted ? 'https' : 'http'
  if (/^https?:\/\//i.test(url)) {
    const { host, pathname, search } = new URL(url)
    return `${scheme}://${host}${pathname}${search}`
  }
  const { host } = headers
  if (!host || !isHost(host)) throw new TypeError('the request names no host')
  return `${scheme}://${host}${url.startsWith('/') ? '' : '/'}${url}`
}

function isHost(host: string): boolean {
  return (
    /^[a-z0-9][a-z0-9.-]*(?::\d{1,5})?$/i.test(host) ||
    (!/[/?#@\\\s]/.test(host) && URL.canParse(`http://${host}`))
  )
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}
