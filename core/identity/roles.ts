/** What a person may be in a tenant, each with all that the one before may do. */
export const ROLES = ['VIEWER', 'EDITOR', 'ADMIN', 'OWNER'] as const
export type Role = (typeof ROLES)[number]

/** Who needs no role of a tenant. */
const OPERATOR = 'OPERATOR'
/** Everybody who is signed in, in a tenant or in none. */
const PERSON = 'PERSON'

/**
 * The one table of what may be done, and the lowest role that may do it. OPERATOR: the operator alone; PERSON: anybody who
 * is signed in. Every field, route, tool and command names one of these (docs/identity.md shows them).
 */
export const PERMISSIONS = {
  /** Single events, their properties, and the stream of new ones. */
  'events.read': 'VIEWER',
  /** Numbers over events, and how metrics are declared. */
  'metrics.read': 'VIEWER',
  'metrics.declare': 'EDITOR',
  /** What events look like: names, paths and types, and no values. */
  'schemas.read': 'VIEWER',
  /** Which events are dead letters, or refused. */
  'schemas.write': 'EDITOR',
  /** What was sent by mistake is in there too. */
  'dead-letters.read': 'EDITOR',
  'dead-letters.replay': 'EDITOR',
  /** Whether the pipeline is behind; its totals are the operator's. */
  'pipeline.read': 'VIEWER',
  'members.read': 'VIEWER',
  /** Invite, remove, and change roles, up to one's own. */
  'members.manage': 'ADMIN',
  'keys.read': 'EDITOR',
  'keys.manage': 'ADMIN',
  'settings.manage': 'ADMIN',
  'audit.read': 'ADMIN',
  'tenants.create': OPERATOR,
  /** The machine itself: start, stop, migrate, offsets. */
  'system.operate': OPERATOR,
  /** One's own sessions, and leaving a tenant. */
  'own-sessions': PERSON,
  /** Who the credentials belong to. */
  'who-am-i': PERSON,
} as const satisfies Record<string, Role | typeof OPERATOR | typeof PERSON>

export type Permission = keyof typeof PERMISSIONS

/**
 * What an API key may do, and which of its scopes allow it. Nobody is behind a key who could confirm it: members, keys
 * and settings are not for keys, whatever their scope.
 */
export const KEY_PERMISSIONS: Partial<Record<Permission, readonly ('read' | 'admin')[]>> = {
  'events.read': ['read', 'admin'],
  'metrics.read': ['read', 'admin'],
  'metrics.declare': ['admin'],
  'schemas.read': ['read', 'admin'],
  'dead-letters.read': ['read', 'admin'],
  'pipeline.read': ['read', 'admin'],
  'who-am-i': ['read', 'admin'],
}

/** Whether a role may do what takes another one. */
export function isAtLeast(role: Role, lowest: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(lowest)
}

/** Of a person in one tenant; `undefined`: in none. */
export function roleAllows(role: Role | undefined, permission: Permission): boolean {
  const lowest = PERMISSIONS[permission]
  if (lowest === PERSON) return true
  return role !== undefined && lowest !== OPERATOR && isAtLeast(role, lowest)
}

/** All that a role may do in its tenant, for clients that show no more than that. */
export function permissionsOf(role: Role): Permission[] {
  return (Object.keys(PERMISSIONS) as Permission[]).filter((each) => roleAllows(role, each))
}

export const ALL_PERMISSIONS = Object.keys(PERMISSIONS) as readonly Permission[]
