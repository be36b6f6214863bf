/**
 * Where a key may be used from: origins as browsers spell them (`https://shop.example`,
 * `http://localhost:3000`), or `https://*.example.com` for every name below example.com, however
 * deep, on that scheme and port. example.com itself is a line of its own.
 */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/(\*\.)?([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:\d+)?$/

/** Whether a browser could ever send an Origin that this line of a list fits: no path, no slash at its end. */
export function isOriginPattern(text: string): boolean {
  const pattern = text.toLowerCase()
  if (!ORIGIN.test(pattern)) return false
  try {
    // A port that goes without saying is not said by browsers either.
    const plain = pattern.replace('//*.', '//any.')
    const { protocol, host } = new URL(plain)
    return plain === `${protocol}//${host}`
  } catch {
    return false
  }
}

/** @param origin as a browser sent it; "null" is on a list only where it is written there */
export function isOriginListed(origin: string, list: readonly string[]): boolean {
  const sent = origin.toLowerCase()
  return list.some((line) => fits(sent, line.toLowerCase()))
}

function fits(origin: string, pattern: string): boolean {
  const [scheme, parent] = pattern.split('*.')
  if (parent === undefined) return origin === pattern
  if (!origin.startsWith(scheme as string) || !origin.endsWith(`.${parent}`)) return false
  return NAME.test(origin.slice((scheme as string).length, -parent.length - 1))
}

const NAME = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/
