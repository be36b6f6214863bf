/**
 * Proxies whose word about the client's address is believed: `SLUICE_TRUSTED_PROXIES`, a list of IP addresses
 * and CIDR blocks. Pure; the same rules in core and at every edge.
 */
export interface TrustedProxies {
  /** No proxy is trusted: forwarding headers are never read. */
  readonly isEmpty: boolean
  isTrusted(address: string): boolean
  /**
   * The client's address: the rightmost hop that is not a trusted proxy. Whatever stands further left was written
   * by a stranger.
   * @param peer the address of the connection; forwarding headers are read only when it is trusted
   * @returns `peer` where there is nothing better to believe
   */
  clientAddress(peer: string | undefined, headers: Pick<Headers, 'get'>): string | undefined
}

/** A request through more proxies than this has a header made up to cost time. */
const HOPS_MAX = 32
const BLOCKS_MAX = 1_000

interface Block {
  bytes: readonly number[]
  bits: number
}

/** @param list separated by commas or blanks, such as `10.0.0.0/8, 2001:db8::/32`. @throws on an entry that is neither */
export function parseTrustedProxies(list: string | undefined): TrustedProxies {
  const entries = (list ?? '').split(/[\s,]+/).filter((entry) => entry !== '')
  if (entries.length > BLOCKS_MAX)
    throw new Error(`SLUICE_TRUSTED_PROXIES takes at most ${BLOCKS_MAX} entries`)
  const blocks = entries.map(parseBlock)
  const isTrusted = (address: string) => {
    const bytes = parseAddress(address)
    return bytes !== undefined && blocks.some((block) => contains(block, bytes))
  }
  return {
    isEmpty: blocks.length === 0,
    isTrusted,
    clientAddress(peer, headers) {
      if (blocks.length === 0 || peer === undefined || !isTrusted(peer)) return peer
      let client = peer
      for (const hop of hopsOf(headers)) {
        const address = hop === undefined ? undefined : withoutPort(hop)
        // What cannot be read ("unknown", "_hidden") was written by a trusted proxy that does not know more.
        if (address === undefined || parseAddress(address) === undefined) return client
        client = address
        if (!isTrusted(address)) return client
      }
      return client
    },
  }
}

/** From right to left: of `Forwarded` (RFC 7239) where a proxy sends it, else of X-Forwarded-For. */
function hopsOf(headers: Pick<Headers, 'get'>): (string | undefined)[] {
  const xForwardedFor = headers.get('x-forwarded-for')
  // A proxy appends to the one header that it knows and passes the other on as a stranger sent it. The older is
  // the one that nearly every proxy writes, so it wins where both are there.
  if (xForwardedFor !== null) return lastOf(xForwardedFor).map((hop) => hop.trim())
  const forwarded = headers.get('forwarded')
  if (forwarded === null) return []
  return lastOf(forwarded).map((element) => {
    const found = /(?:^|;)\s*for\s*=\s*(?:"([^"\\]*)"|([^\s;"]+))/i.exec(element)
    return found?.[1] ?? found?.[2]
  })
}

function lastOf(header: string): string[] {
  return header.split(',').slice(-HOPS_MAX).reverse()
}

/** `192.0.2.1:80`, `[2001:db8::1]:80` and `[2001:db8::1]` without brackets and port. */
function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]*)\](?::\w+)?$/.exec(hop)
  if (bracketed) return bracketed[1] as string
  const v4 = /^(\d+\.\d+\.\d+\.\d+):\w+$/.exec(hop)
  return v4 ? (v4[1] as string) : hop
}

function parseBlock(entry: string): Block {
  const [address = '', length, more] = entry.split('/')
  const bytes = parseAddress(address)
  const isV4 = !address.includes(':')
  const bitsMax = isV4 ? 32 : 128
  const bits = length === undefined ? bitsMax : /^\d{1,3}$/.test(length) ? Number(length) : -1
  if (bytes === undefined || more !== undefined || bits < 0 || bits > bitsMax)
    throw new Error(
      `SLUICE_TRUSTED_PROXIES is a list of IP addresses and CIDR blocks such as 10.0.0.0/8; "${entry.slice(0, 50)}" is neither`,
    )
  return { bytes, bits: isV4 ? bits + 96 : bits }
}

function contains({ bytes, bits }: Block, address: readonly number[]): boolean {
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (bytes[i] !== address[i]) return false
  const mask = 0xff00 >> (bits & 7)
  return ((bytes[whole] ?? 0) & mask & 0xff) === ((address[whole] ?? 0) & mask & 0xff)
}

/**
 * 16 bytes; IPv4 as ::ffff:a.b.c.d, so both spellings of one address are equal. undefined for what is not an
 * address: names, octal and shortened forms. Brackets and a zone are ignored.
 */
export function parseAddress(address: string): number[] | undefined {
  const bare = address.replace(/^\[(.*)\]$/, '$1').replace(/%[^%]*$/, '')
  if (!bare.includes(':')) {
    const v4 = parseV4(bare)
    return v4 && [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...v4]
  }
  const halves = bare.split('::')
  if (halves.length > 2) return undefined
  const before = groupsOf(halves[0] as string)
  const after = halves.length === 2 ? groupsOf(halves[1] as string) : []
  if (!before || !after) return undefined
  const missing = 16 - before.length - after.length
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined
  return [...before, ...Array<number>(missing).fill(0), ...after]
}

/** The bytes of groups between colons, the last of which may be an IPv4 address. */
function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    if (group.includes('.')) {
      const v4 = i === groups.length - 1 ? parseV4(group) : undefined
      if (!v4) return undefined
      bytes.push(...v4)
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    }
  }
  return bytes
}

function parseV4(text: string): number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes: number[] = []
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    bytes.push(Number(part))
  }
  return bytes
}
