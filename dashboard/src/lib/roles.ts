import type { Role } from './api/documents.ts'

/** Each may do all that the one before may (docs/identity.md). */
export const ROLES: Record<Role, { name: string; may: string }> = {
  VIEWER: { name: 'Viewer', may: 'sees numbers, events and who the members are' },
  EDITOR: { name: 'Editor', may: 'also declares metrics and sees keys and dead letters' },
  ADMIN: { name: 'Admin', may: 'also manages members, keys and settings, and sees the audit log' },
  OWNER: { name: 'Owner', may: 'also makes other owners' },
}

const ORDER = Object.keys(ROLES) as Role[]

/** Those that somebody may give and take: nobody grants more than they have. @param own undefined: the operator */
export const grantable = (own: Role | undefined): Role[] =>
  own === undefined ? ORDER : ORDER.slice(0, ORDER.indexOf(own) + 1)
