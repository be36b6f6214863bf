/**
 * The origins that a key may be used from: origins as browsers write them (`https://shop.example`,
 * `http://localhost:3000`), or `https://*.example.com` for every subdomain of example.com at any
 * depth, with that scheme and port. example.com itself needs its own entry.
 */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/(\*\.)?([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:\d+)?$/

/** Whether a browser could ever send an Origin that matches this pattern: no path, no trailing slash. */
export function isOriginPattern(text: string): boolean {
  const pattern = text.toLowerCase()
  if (!ORIGIN.test(pattern)) return false
  try {
    // Browsers omit a scheme's default port.
    const plain = pattern.replace('//*.', '//any.')
    const { protocol, host } = new URL(plain)
    return plain === `${protocol}//${host}`
  } catch {
    return false
  }
}

/** @param origin as a browser sent it; "null" matches only where the list contains "null" */
export function isOriginListed(origin: string, list: readonly string[]): boolean {
  const sent = origin.toLowerCase()
  return list.some((line) => matches(sent, line.toLowerCase()))
}

function matches(origin: string, pattern: string): boolean {
  const [scheme, parent] = pattern.split('*.')
  if (parent === undefined) return origin === pattern
  if (!origin.startsWith(scheme as string) || !origin.endsWith(`.${parent}`)) return false
  return NAME.test(origin.slice((scheme as string).length, -parent.length - 1))
}

const NAME = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/
