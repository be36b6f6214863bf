import { createHash, timingSafeEqual } from 'node:crypto'
import { LIMITS } from '../../contract/limits.ts'
import { PARTITIONS, TOPICS } from '../../contract/log/topics.ts'
import { readBasic } from '../identity/credentials.ts'

/** `produce` is what an edge needs: it appends, and looks API keys up. `consume` reads. */
export type GatewayScope = 'produce' | 'consume' | 'all'
export const GATEWAY_SCOPES: readonly GatewayScope[] = ['produce', 'consume', 'all']
/** What a request does; `either` needs any of the scopes. */
export type GatewayAction = 'produce' | 'consume' | 'either'

/** Who may use the gateway with Basic credentials. */
export interface GatewayUser {
  /** Without a colon. */
  name: string
  password: string
  scope: GatewayScope
  /** The topics that the user may use; without it, all. */
  topics?: readonly string[]
  /** What the names of the user's consumer groups begin with; without it, the user may use all groups. */
  groupPrefix?: string
}

export type Access = 'granted' | 'unknown' | 'forbidden'

/** @returns a function that finds the user of an Authorization header; a wrong name takes as long as a wrong password */
export function createUserLookup(users: readonly GatewayUser[]) {
  const known = users.map((user) => ({ digest: digest(`${user.name}:${user.password}`), user }))

  return function findUser(authorization: string | null | undefined): GatewayUser | undefined {
    const basic = readBasic(authorization ?? null)
    const sent = digest(basic ? `${basic.user}:${basic.password}` : '')
    let found: GatewayUser | undefined
    // Compares with every user, whichever matches.
    for (const each of known) if (timingSafeEqual(each.digest, sent)) found = each.user
    return basic && found
  }
}

/** @returns a function that checks an Authorization header */
export function createAccessCheck(users: readonly GatewayUser[]) {
  const findUser = createUserLookup(users)
  return (authorization: string | null | undefined, to: GatewayAction): Access => {
    const user = findUser(authorization)
    if (!user) return 'unknown'
    return mayDo(user, to) ? 'granted' : 'forbidden'
  }
}

export function mayDo({ scope }: GatewayUser, to: GatewayAction): boolean {
  return scope === 'all' || to === 'either' || scope === to
}

export function mayUseTopic({ topics }: GatewayUser, topic: string): boolean {
  return topics === undefined || topics.includes(topic)
}

export function mayUseGroup({ groupPrefix }: GatewayUser, group: string): boolean {
  return groupPrefix === undefined || group.startsWith(groupPrefix)
}

/** Of the same length whatever was sent, so that comparing takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** The user name of the edges; its password is SLUICE_GATEWAY_PASSWORD. */
export const GATEWAY_USER = 'sluice'

/** Edges append events and look API keys up. Whoever steals their password can read nothing. */
export function edgeUser(password: string): GatewayUser {
  return { name: GATEWAY_USER, password, scope: 'produce', topics: [TOPICS.raw.name] }
}

const FORM = 'name:password:scope:topics:group-prefix'

/**
 * `name:password[:scope[:topics[:group-prefix]]]`, with commas between users and | between topics. Without a scope the
 * user has all of them; without topics (or with *) all topics; without a prefix all consumer groups. A colon, a comma
 * or a percent sign in a name or a password is written as in a URL: %3A, %2C, %25.
 * @throws RangeError whose message has no password
 */
export function parseUsers(text: string): GatewayUser[] {
  const users = text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .map(parseUser)
  const names = new Set(users.map(({ name }) => name))
  if (names.size < users.length) throw new RangeError('a name is listed twice')
  if (users.length > LIMITS.gatewayUsersMax)
    throw new RangeError(`there are more than ${LIMITS.gatewayUsersMax} users`)
  return users
}

function parseUser(text: string, i: number): GatewayUser {
  const [name, password, scope = 'all', topics = '', groupPrefix = '', ...more] = text
    .split(':')
    .map(decode)
  const which = name ? `user ${name}` : `user number ${i + 1}`
  if (!name || !password || more.length > 0)
    throw new RangeError(`${which} is not written as name:password or ${FORM}`)
  if (!GATEWAY_SCOPES.includes(scope as GatewayScope))
    throw new RangeError(`the scope of ${which} is none of ${GATEWAY_SCOPES.join(', ')}`)
  if (name.includes(':')) throw new RangeError(`the name of ${which} has a colon in it`)
  const listed = topics === '' || topics === '*' ? undefined : topics.split('|')
  if (listed?.some((topic) => !PARTITIONS.has(topic)))
    throw new RangeError(
      `the topics of ${which} are not among ${[...PARTITIONS.keys()].join(', ')}`,
    )
  return {
    name,
    password,
    scope: scope as GatewayScope,
    ...(listed && { topics: listed }),
    ...(groupPrefix !== '' && { groupPrefix }),
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RangeError('a percent sign has to be written as %25')
  }
}
