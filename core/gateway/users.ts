import { createHash, timingSafeEqual } from 'node:crypto'
import { LIMITS } from '../../contract/limits.ts'
import { readBasic } from '../identity/credentials.ts'

/** `produce` is what an edge needs: it appends, and looks API keys up. `consume` reads. */
export type GatewayScope = 'produce' | 'consume' | 'all'
export const GATEWAY_SCOPES: readonly GatewayScope[] = ['produce', 'consume', 'all']

/** Who may use the gateway with Basic credentials. */
export interface GatewayUser {
  /** Without a colon. */
  name: string
  password: string
  scope: GatewayScope
}

export type Access = 'granted' | 'unknown' | 'forbidden'

/** @returns a function that checks an Authorization header; a wrong name takes as long as a wrong password */
export function createAccessCheck(users: readonly GatewayUser[]) {
  const known = users.map(({ name, password, scope }) => ({
    digest: digest(`${name}:${password}`),
    scope,
  }))

  return function checkAccess(
    authorization: string | null | undefined,
    to: 'produce' | 'consume' | 'either',
  ): Access {
    const basic = readBasic(authorization ?? null)
    const sent = digest(basic ? `${basic.user}:${basic.password}` : '')
    let scope: GatewayScope | undefined
    // Compares with every user, whichever matches.
    for (const each of known) if (timingSafeEqual(each.digest, sent)) scope = each.scope
    if (!basic || scope === undefined) return 'unknown'
    return scope === 'all' || to === 'either' || scope === to ? 'granted' : 'forbidden'
  }
}

/** Of the same length whatever was sent, so that comparing takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** The user name of the edges; its password is SLUICE_GATEWAY_PASSWORD. */
export const GATEWAY_USER = 'sluice'

/**
 * `name:password` or `name:password:scope`, with commas between; without a scope the user has all rights. A colon,
 * a comma or a percent sign in a name or a password is written as in a URL: %3A, %2C, %25.
 * @throws RangeError whose message has no password
 */
export function parseUsers(text: string): GatewayUser[] {
  const users = text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .map((each, i): GatewayUser => {
      const [name, password, scope = 'all', ...more] = each.split(':').map(decode)
      const which = name ? `user ${name}` : `user number ${i + 1}`
      if (!name || !password || more.length > 0)
        throw new RangeError(`${which} is not written as name:password or name:password:scope`)
      if (!GATEWAY_SCOPES.includes(scope as GatewayScope))
        throw new RangeError(`the scope of ${which} is none of ${GATEWAY_SCOPES.join(', ')}`)
      if (name.includes(':')) throw new RangeError(`the name of ${which} has a colon in it`)
      return { name, password, scope: scope as GatewayScope }
    })
  const names = new Set(users.map(({ name }) => name))
  if (names.size < users.length) throw new RangeError('a name is listed twice')
  if (users.length > LIMITS.gatewayUsersMax)
    throw new RangeError(`there are more than ${LIMITS.gatewayUsersMax} users`)
  return users
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RangeError('a percent sign has to be written as %25')
  }
}
