/**
 * Whether what is sent to this URL crosses a network that others can read, unencrypted. Loopback, Unix sockets and
 * private networks are not such a network; TLS counts only where the server's certificate is verified.
 *
 * @param url http, https, ws, wss, postgres, postgresql, redis, rediss, or kafka://host:port for a broker without TLS
 * @returns true too for what is no such URL: nobody can say that it is encrypted
 */
export function isCleartextBeyondPrivate(url: string): boolean {
  // pg and ioredis take a path as a Unix socket.
  if (/^(\/|(socket|unix):)/.test(url)) return false
  if (!URL.canParse(url)) return true
  const { protocol, hostname, searchParams } = new URL(url)
  switch (protocol) {
    case 'https:':
    case 'wss:':
    case 'rediss:':
      return false
    case 'http:':
    case 'ws:':
    case 'redis:':
    case 'kafka:':
      return !isPrivateHost(hostname)
    case 'postgres:':
    case 'postgresql:':
      return !isVerified(searchParams) && !isPrivateHost(lastOf(searchParams, 'host') ?? hostname)
    default:
      return true
  }
}

/** As pg reads it: prefer and require verify the certificate, unless libpq's own meaning is asked for. */
function isVerified(parameters: URLSearchParams): boolean {
  const mode = lastOf(parameters, 'sslmode') ?? ''
  if (lastOf(parameters, 'uselibpqcompat') === 'true') return /^verify-(ca|full)$/.test(mode)
  if (mode !== '') return /^(require|verify-ca|verify-full)$/.test(mode)
  return lastOf(parameters, 'ssl') === 'true'
}

/** As pg does where a parameter is repeated. */
function lastOf(parameters: URLSearchParams, name: string): string | undefined {
  return parameters.getAll(name).at(-1)
}

/**
 * Names that the public DNS does not have (a single label, such as a service of docker-compose.yml; RFC 6761, RFC 6762,
 * RFC 8375 and ICANN's .internal), addresses of this machine, of private networks (RFC 1918, RFC 4193) and of a link.
 *
 * @param host a name or an address, IPv6 with or without brackets; empty and a path mean this machine
 */
export function isPrivateHost(host: string): boolean {
  if (host === '' || /^(\/|%2f)/i.test(host)) return true
  const name = canonical(host)
  if (name === undefined) return false
  if (name.startsWith('[')) return isPrivateIpv6(name.slice(1, -1))
  const bytes = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(name)
  if (bytes) return isPrivateIpv4(Number(bytes[1]), Number(bytes[2]))
  const plain = name.replace(/\.$/, '')
  return !plain.includes('.') || /\.(localhost|local|internal|lan|home\.arpa)$/.test(plain)
}

/** One spelling for each address: 2130706433 and 0x7f.1 become 127.0.0.1. */
function canonical(host: string): string | undefined {
  const literal = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  const url = `http://${literal}/`
  return URL.canParse(url) ? new URL(url).hostname : undefined
}

function isPrivateIpv4(first: number, second: number): boolean {
  return (
    first === 127 ||
    first === 10 ||
    (first === 172 && second >= 16 && second <= 31) ||
    (first === 192 && second === 168) ||
    (first === 169 && second === 254)
  )
}

/** @param address as URL writes it: lower case, compressed, an IPv4 inside as two hexadecimal groups */
function isPrivateIpv6(address: string): boolean {
  if (address === '::1') return true
  const [, high] = /^::ffff:([0-9a-f]{1,4}):[0-9a-f]{1,4}$/.exec(address) ?? []
  if (high !== undefined) {
    const bytes = Number.parseInt(high, 16)
    return isPrivateIpv4(bytes >> 8, bytes & 0xff)
  }
  // fc00::/7 and fe80::/10
  return /^(f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):/.test(address)
}
