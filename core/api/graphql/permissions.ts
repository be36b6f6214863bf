import type { GraphQLField, GraphQLSchema } from 'graphql'
import { mayDo, requirePermission } from '../../identity/require-permission.ts'
import { PERMISSIONS, type Permission } from '../../identity/roles.ts'
import { requireRecentSignIn } from '../../identity/sessions.ts'
import type { RequestContext } from './context.ts'

interface Needs {
  permission: Permission
  /** Whether a person must have signed in within the last minutes. */
  recentSignIn?: boolean
}

/** Options of a field of Query, Mutation or Subscription: what its sender must be allowed to do. */
export function needs(permission: Permission, options: Omit<Needs, 'permission'> = {}) {
  return { extensions: { permission, ...options } satisfies Needs as Record<string, unknown> }
}

/**
 * Checks the permission of each field of Query, Mutation and Subscription before its resolver runs, in the tenant that
 * its argument `tenant` names.
 * @throws for a field that names no permission: there is none that everybody may use
 */
export function protectFields(schema: GraphQLSchema): GraphQLSchema {
  for (const [type, field] of rootFields(schema)) {
    const declared = neededBy(field, type)
    const check = (args: Record<string, unknown>, context: RequestContext) =>
      checkField(declared, field, args, context)
    const { resolve, subscribe } = field
    if (subscribe)
      field.subscribe = async (root, args, context, info) => {
        await check(args, context)
        return subscribe(root, args, context, info)
      }
    else if (resolve)
      field.resolve = async (root, args, context, info) => {
        await check(args, context)
        return resolve(root, args, context, info)
      }
    else throw new Error(`${type}.${field.name} has no resolver`)
  }
  return schema
}

/** All that a document can begin with. */
export function rootFields(
  schema: GraphQLSchema,
): [type: string, field: GraphQLField<unknown, RequestContext>][] {
  return [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
    .filter((type) => type != null)
    .flatMap((type) => Object.values(type.getFields()).map((field) => [type.name, field] as const))
    .map(([type, field]) => [type, field as GraphQLField<unknown, RequestContext>])
}

/** @throws for a field without a permission of the table */
export function neededBy(field: GraphQLField<unknown, RequestContext>, type = 'field'): Needs {
  const { permission, recentSignIn } = field.extensions as Partial<Needs>
  if (permission === undefined || !Object.hasOwn(PERMISSIONS, permission))
    throw new Error(`${type}.${field.name} names no permission`)
  return { permission, recentSignIn: recentSignIn ?? false }
}

async function checkField(
  { permission, recentSignIn }: Needs,
  { args: declared }: GraphQLField<unknown, RequestContext>,
  args: Record<string, unknown>,
  { viewer, tenant, denial }: RequestContext,
): Promise<void> {
  const ofTenant = declared.some(({ name }) => name === 'tenant')
    ? await tenant(args.tenant as string | null | undefined)
    : undefined
  if (ofTenant && !mayDo(viewer, ofTenant, permission)) denial.tenant ??= ofTenant.tenant
  requirePermission(viewer, ofTenant, permission)
  if (recentSignIn && viewer.kind !== 'KEY') requireRecentSignIn(viewer.session)
}
