import { isbot } from 'isbot'
import UAParser from 'ua-parser-js'
import { LIMITS } from '../../../contract/limits.ts'
import { cleanText } from './clean-text.ts'

/** What a user agent names; names without versions, so that each has few values. */
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

/** One spelling of each name: the parser gives most of them in the case in which they were sent. */
const SPELLED = [
  ...[
    'Chrome',
    'Chrome Headless',
    'Chrome WebView',
    'Safari',
    'Firefox',
    'Edge',
    'Opera',
    'Vivaldi',
  ],
  ...[
    'Opera Mini',
    'Opera GX',
    'Opera Touch',
    'Brave',
    'DuckDuckGo',
    'Yandex',
    'UCBrowser',
    'QQBrowser',
  ],
  ...['Samsung Internet', 'MIUI Browser', 'Huawei Browser', 'Android Browser', 'Silk', 'WebKit'],
  ...[
    'Instagram',
    'Facebook',
    'Snapchat',
    'TikTok',
    'LinkedIn',
    'Pinterest',
    'WeChat',
    'GSA',
    'Line',
  ],
  ...[
    'Windows',
    'macOS',
    'Linux',
    'ChromeOS',
    'Android',
    'iOS',
    'HarmonyOS',
    'KaiOS',
    'Tizen',
    'webOS',
  ],
  ...[
    'PlayStation',
    'Nintendo',
    'Xbox',
    'Roku',
    'FreeBSD',
    'OpenBSD',
    'NetBSD',
    'Mozilla',
    'Konqueror',
  ],
]

/** Other names of the same. A distribution of Linux is no operating system of its own here. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  Chrome: ['mobile chrome', 'chromium'],
  Safari: ['mobile safari'],
  Firefox: ['mobile firefox', 'firefox focus'],
  'Internet Explorer': ['ie', 'iemobile'],
  Windows: ['windows phone', 'windows mobile'],
  macOS: ['mac os'],
  ChromeOS: ['chromium os', 'chrome os'],
  Android: ['android-x86'],
  Linux: [
    ...[
      'gnu',
      'ubuntu',
      'kubuntu',
      'xubuntu',
      'lubuntu',
      'nubuntu',
      'debian',
      'fedora',
      'mint',
      'mageia',
      'suse',
      'arch',
      'gentoo',
      'centos',
    ],
    ...['red hat', 'mandriva', 'slackware', 'deepin', 'manjaro', 'raspbian', 'zenwalk'],
  ],
}

const NAMES: ReadonlyMap<string, string> = new Map([
  ...SPELLED.map((name): [string, string] => [name.toLowerCase(), name]),
  ...Object.entries(ALIASES).flatMap(([name, aliases]) =>
    aliases.map((alias): [string, string] => [alias, name]),
  ),
])
