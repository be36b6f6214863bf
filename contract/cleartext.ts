import { parseAddress } from './trusted-proxies.ts'

/**
 * Whether passwords and events sent to this URL would cross a network that strangers may read: a scheme without
 * TLS, to a host that is neither loopback nor private. Names of one label (`core`, `redis`) and names under
 * `.internal`, `.local`, `.localhost`, `.lan` and `.home.arpa` count as private: no public DNS resolves them.
 * @param url of any scheme; text that is not a URL gives false, since nothing can be sent there
 */
export function isCleartextBeyondPrivate(url: string): boolean {
  const parsed = URL.parse(url)
  if (!parsed || !CLEARTEXT.has(parsed.protocol)) return false
  const host = parsed.hostname.replace(/\.$/, '').toLowerCase()
  if (host === '') return false
  const address = parseAddress(host)
  if (address) return !isPrivateAddress(address)
  return host.includes('.') && !PRIVATE_NAME.test(host)
}

const CLEARTEXT = new Set(['http:', 'ws:', 'redis:', 'postgres:', 'postgresql:'])
const PRIVATE_NAME = /\.(?:internal|local|localhost|lan|home\.arpa)$/

/** Loopback, private (RFC 1918, RFC 4193), link-local and shared (RFC 6598) addresses. */
function isPrivateAddress(bytes: readonly number[]): boolean {
  const [a = 0, b = 0] = bytes.slice(12)
  const isV4 = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff
  if (isV4)
    return (
      a === 127 ||
      a === 10 ||
      (a === 172 && b >= 16 && b < 32) ||
      (a === 192 && b === 168) ||
      (a === 169 && b === 254) ||
      (a === 100 && b >= 64 && b < 128)
    )
  const first = bytes[0] as number
  const isLoopback = bytes.slice(0, 15).every((byte) => byte === 0) && bytes[15] === 1
  return (
    isLoopback ||
    (first & 0xfe) === 0xfc ||
    (first === 0xfe && ((bytes[1] as number) & 0xc0) === 0x80)
  )
}
