import { ApiError } from '../lib/api-error.ts'
import {
  ALL_PERMISSIONS,
  KEY_PERMISSIONS,
  PERMISSIONS,
  type Permission,
  roleAllows,
} from './roles.ts'
import { isOperator, type TenantViewer, type Viewer } from './viewer.ts'

/**
 * Whether the viewer may do this in the tenant.
 * @param tenant undefined for what concerns no tenant: then a role in any tenant is enough
 */
export function mayDo(
  viewer: Viewer,
  tenant: TenantViewer | undefined,
  permission: Permission,
): boolean {
  if (viewer.kind === 'KEY') {
    if (tenant && tenant.tenantId !== viewer.own.tenantId) return false
    const scopes = KEY_PERMISSIONS[permission] ?? []
    return scopes.includes(viewer.mayAdminister ? 'admin' : 'read')
  }
  if (isOperator(viewer)) return true
  if (tenant) {
    const membership = viewer.memberships.get(tenant.tenant)
    return membership?.tenantId === tenant.tenantId && roleAllows(membership.role, permission)
  }
  const roles = [...viewer.memberships.values()].map(({ role }) => role)
  return [undefined, ...roles].some((role) => roleAllows(role, permission))
}

/**
 * Everything that core does for somebody passes here.
 * @param tenant undefined for what concerns no tenant
 * @throws FORBIDDEN, which names the permission and who has it
 */
export function requirePermission(
  viewer: Viewer,
  tenant: TenantViewer | undefined,
  permission: Permission,
): void {
  if (!mayDo(viewer, tenant, permission))
    throw new ApiError('FORBIDDEN', messageOf(viewer, permission), { permission })
}

function messageOf(viewer: Viewer, permission: Permission): string {
  const lowest = PERMISSIONS[permission].toLowerCase()
  if (viewer.kind !== 'KEY')
    return `This takes the permission ${permission}, which ${lowest === 'operator' ? 'the operator has' : `the role ${lowest} has`}.`
  const scopes = KEY_PERMISSIONS[permission]
  return scopes
    ? `This takes an API key with the scope ${scopes[0]}, or a person who is signed in with the permission ${permission}.`
    : `This is not for API keys: it takes a person who is signed in with the permission ${permission}.`
}

/** What the viewer may do in the tenant, for clients that show no more than that. */
export function permissionsIn(viewer: Viewer, tenant: TenantViewer): Permission[] {
  return ALL_PERMISSIONS.filter((permission) => mayDo(viewer, tenant, permission))
}
