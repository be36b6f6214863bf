import type { Context } from 'hono'

/** Where a request came from. */
export interface Client {
  /** The address of the connection; undefined without one, as in `app.request()`. */
  peer: string | undefined
  /** The client's own: the peer's, or the one that trusted proxies forwarded. */
  address: string | undefined
  /** Whether a proxy says that it forwarded the request. */
  isForwarded: boolean
}

/** The client's address, from that of the connection and the headers; proxies are believed by configuration only. */
export type AddressOf = (peer: string, headers: Headers) => string

const FORWARDED_HEADERS = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'cf-connecting-ip',
  'cf-ray',
]

export function clientOf(c: Context, addressOf: AddressOf = (peer) => peer): Client {
  const { incoming } = (c.env ?? {}) as {
    incoming?: { httpVersion?: string; socket?: { remoteAddress?: string } }
  }
  const peer = incoming?.socket?.remoteAddress
  const { headers } = c.req.raw
  return {
    peer,
    address: peer === undefined ? undefined : addressOf(peer, headers),
    // nginx forwards by HTTP/1.0 unless told otherwise, and without any of these headers.
    isForwarded:
      incoming?.httpVersion === '1.0' || FORWARDED_HEADERS.some((name) => headers.has(name)),
  }
}

/** A process on this machine, on IPv4, IPv6, or IPv4 over a socket of IPv6. */
export function isLoopback(address: string | undefined): boolean {
  return /^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/.test(address ?? '')
}
