import { isbot } from 'isbot'
import UAParser from 'ua-parser-js'
import { LIMITS } from '../../../contract/limits.ts'
import { cleanText } from './clean-text.ts'

/** What a user agent says; names without versions, so that each has few values. */
export interface UserAgent {
  browser?: string | undefined
  os?: string | undefined
  /** The class: desktop, mobile, tablet, tv, console, wearable or other. */
  device?: string | undefined
  isBot: boolean
}

/** A parse takes 60 µs, a look-up 0.1; each entry at most 2 kB. */
const CACHE_ENTRIES_MAX = 4_096

/** @returns undefined for an empty one: nothing is known of its sender */
export type ReadUserAgent = (userAgent: string) => UserAgent | undefined

export function createUserAgentReader(entriesMax: number = CACHE_ENTRIES_MAX) {
  const known = new Map<string, UserAgent>()

  const read: ReadUserAgent = (userAgent) => {
    const hit = known.get(userAgent)
    if (hit) return hit
    if (userAgent.trim() === '') return undefined
    // A part of a long text would keep all of it in memory, so only what is whole is kept.
    if (userAgent.length > LIMITS.userAgentCharsMax)
      return parse(userAgent.slice(0, LIMITS.userAgentCharsMax))
    const parsed = parse(userAgent)
    if (known.size >= entriesMax) known.delete(known.keys().next().value as string)
    known.set(userAgent, parsed)
    return parsed
  }
  return { read, size: () => known.size }
}

function parse(userAgent: string): UserAgent {
  const parser = new UAParser(userAgent)
  const os = nameOf(parser.getOS().name)
  return {
    browser: nameOf(parser.getBrowser().name),
    os,
    device: deviceOf(parser.getDevice().type, os),
    isBot: isbot(userAgent),
  }
}

function nameOf(found: string | undefined): string | undefined {
  return cleanText(NAMES.get(found?.toLowerCase() ?? '') ?? found)
}

const DEVICES: Readonly<Record<string, string>> = {
  mobile: 'mobile',
  tablet: 'tablet',
  smarttv: 'tv',
  console: 'console',
  wearable: 'wearable',
}
const DESKTOPS: readonly (string | undefined)[] = ['Windows', 'macOS', 'Linux', 'ChromeOS']

/** The parser names the classes that are not desktops. */
function deviceOf(type: string | undefined, os: string | undefined): string | undefined {
  if (type !== undefined) return DEVICES[type] ?? 'other'
  return DESKTOPS.includes(os) ? 'desktop' : undefined
}

/**
 * The parser gives names as they were sent, in any case, some of them former ones, and a distribution of Linux as an
 * operating system.
 */
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    Chrome: ['chrome', 'mobile chrome', 'chromium'],
    'Chrome Headless': ['chrome headless'],
    Safari: ['safari', 'mobile safari'],
    Firefox: ['firefox', 'mobile firefox', 'firefox focus'],
    Edge: ['edge'],
    Opera: ['opera'],
    'Opera Mini': ['opera mini'],
    'Internet Explorer': ['ie', 'iemobile'],
    'Samsung Internet': ['samsung internet'],
    Windows: ['windows', 'windows phone', 'windows mobile'],
    macOS: ['mac os', 'macos'],
    ChromeOS: ['chromium os', 'chrome os'],
    Android: ['android', 'android-x86'],
    iOS: ['ios'],
    Linux: [
      ...['linux', 'gnu', 'ubuntu', 'debian', 'fedora', 'mint', 'mageia', 'suse', 'arch', 'gentoo'],
      ...['centos', 'red hat', 'mandriva', 'slackware', 'deepin', 'manjaro', 'raspbian', 'zenwalk'],
    ],
  }).flatMap(([name, all]) => all.map((each): [string, string] => [each, name])),
)
