/**
 * The addresses of one party: an IPv4 address, or the first 64 bits of an IPv6 address, within
 * which a single machine has as many addresses as it likes. Limits by address count by this.
 * @param address as runtimes write it: with brackets, a port, a zone or IPv4 inside IPv6, or without
 */
export function addressGroup(address: string): string {
  const bare = address.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/%.*$/, '')
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/i.exec(bare)?.[1]
  if (v4) return v4
  const [left = '', right] = bare.toLowerCase().split('::')
  const before = left === '' ? [] : left.split(':')
  const after = right ? right.split(':') : []
  // IPv4 at the end stands for two groups.
  const length = before.length + after.length + (after.at(-1)?.includes('.') ? 1 : 0)
  const zeros = right === undefined ? 0 : Math.max(0, 8 - length)
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after].map((group) =>
    group.replace(/^0+(?=.)/, ''),
  )
  return v4Inside(groups) ?? groups.slice(0, 4).join(':')
}

/** However its zeros and its last 32 bits are written. */
function v4Inside(groups: readonly string[]): string | undefined {
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return undefined
  const [high = '', low = ''] = groups.slice(6)
  if (high.includes('.')) return high
  const bytes = [high, low].map((group) => Number.parseInt(group, 16))
  return bytes.flatMap((value) => [value >> 8, value & 0xff]).join('.')
}
