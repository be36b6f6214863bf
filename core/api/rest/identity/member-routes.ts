import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { RestEnv } from '../admit.ts'
import { changeProblems, problems, respond } from '../formats.ts'
import type { RunOperation } from '../operation.ts'
import { tenantQuery } from '../schemas.ts'
import {
  bodyOf,
  json,
  MEMBER_FIELDS,
  type MemberNode,
  member,
  newTenantBody,
  roleBody,
  toRestMember,
} from './people-schemas.ts'
import { readBody, versionFor } from './read-body.ts'

const LIST = `query RestMembers($tenant: ID) { members(tenant: $tenant) { ${MEMBER_FIELDS} } }`
const CHANGE = `mutation RestChangeRole($tenant: ID, $person: ID!, $role: Role!, $version: Int!) {
  member: changeRole(tenant: $tenant, person: $person, role: $role, version: $version) { ${MEMBER_FIELDS} } }`
const REMOVE =
  'mutation RestRemoveMember($tenant: ID, $person: ID!) { removeMember(tenant: $tenant, person: $person) }'
const LEAVE = 'mutation RestLeave($tenant: ID!) { leaveTenant(tenant: $tenant) }'
const CREATE = 'mutation RestCreateTenant($id: ID!) { tenant: createTenant(id: $id) { id } }'

const path = '/v1/members'
const tags = ['People']
const params = z.object({ id: z.string().openapi({ description: 'The id of a person.' }) })
const PEOPLE = 'For people who are signed in, not for API keys.'

const routes = {
  list: createRoute({
    method: 'get',
    path,
    tags,
    summary: 'Members of a tenant',
    request: { query: tenantQuery },
    responses: {
      200: json(z.object({ data: z.array(member), meta: z.object({}) }), 'The owners first.'),
      ...problems,
    },
  }),
  leave: createRoute({
    method: 'post',
    path: `${path}/leave`,
    tags,
    summary: 'Leave a tenant',
    description: `Ends the own membership; one owner stays. ${PEOPLE}`,
    request: { query: z.strictObject({ tenant: z.string() }) },
    responses: { 204: { description: 'Done.' }, ...changeProblems },
  }),
  remove: createRoute({
    method: 'delete',
    path: `${path}/{id}`,
    tags,
    summary: 'Remove a member',
    description: `It holds everywhere within 30 s. One owner stays. ${PEOPLE}`,
    request: { params, query: tenantQuery },
    responses: { 204: { description: 'Done.' }, ...changeProblems },
  }),
}

/** The members of a tenant; creating a tenant. */
export function addMemberRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(routes.list, async (c) => {
    const { data } = await runOperation<{ members: MemberNode[] }>(c, LIST, c.req.valid('query'))
    return respond(c, { rows: data.members.map(toRestMember), meta: {} })
  })
  app.openapi(routes.leave, async (c) => {
    await runOperation(c, LEAVE, c.req.valid('query'))
    return c.body(null, 204)
  })
  app.openapi(routes.remove, async (c) => {
    const { tenant } = c.req.valid('query')
    await runOperation(c, REMOVE, { tenant, person: c.req.valid('param').id })
    return c.body(null, 204)
  })
  addChangingRoutes(app, runOperation)
}

/** Their bodies are read outside of zod-openapi, which has no limit for them. */
function addChangingRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openAPIRegistry.registerPath({
    method: 'patch',
    path: `${path}/{id}`,
    tags,
    summary: 'Change the role of a member',
    description: `Up to the own role; one owner stays. ${PEOPLE}`,
    request: { params, query: tenantQuery, body: bodyOf(roleBody) },
    responses: { 200: json(z.object({ data: member }), 'The member.'), ...changeProblems },
  })
  app.patch(`${path}/:id`, async (c) => {
    const { role, version } = await readBody(c, roleBody)
    const { data } = await runOperation<{ member: MemberNode }>(c, CHANGE, {
      tenant: c.req.query('tenant'),
      person: c.req.param('id'),
      role: role.toUpperCase(),
      version: versionFor(c, version),
    })
    return c.json({ data: toRestMember(data.member) }, 200, { ETag: `"${data.member.version}"` })
  })
  app.openAPIRegistry.registerPath({
    method: 'post',
    path: '/v1/tenants',
    tags,
    summary: 'Create a tenant',
    description: `For the operator; a person who creates it owns it. ${PEOPLE}`,
    request: { body: bodyOf(newTenantBody) },
    responses: {
      201: json(z.object({ data: newTenantBody }), 'The tenant.'),
      ...changeProblems,
    },
  })
  app.post('/v1/tenants', async (c) => {
    const { id } = await readBody(c, newTenantBody)
    const { data } = await runOperation<{ tenant: { id: string } }>(c, CREATE, { id })
    return c.json({ data: data.tenant }, 201)
  })
}
