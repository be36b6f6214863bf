import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { RestEnv } from '../admit.ts'
import { changeProblems, problems, respond } from '../formats.ts'
import type { RunOperation } from '../operation.ts'
import { tenantQuery } from '../schemas.ts'
import {
  bodyOf,
  INVITATION_FIELDS,
  type InvitationNode,
  invitation,
  json,
  newInvitationBody,
  toRestInvitation,
} from './people-schemas.ts'
import { readBody } from './read-body.ts'

const LIST = `query RestInvitations($tenant: ID) { list: invitations(tenant: $tenant) { ${INVITATION_FIELDS} } }`
const INVITE = `mutation RestInvite($tenant: ID, $email: String!, $role: Role!) {
  created: inviteMember(tenant: $tenant, email: $email, role: $role) { url invitation { ${INVITATION_FIELDS} } } }`
const REVOKE =
  'mutation RestRevokeInvitation($tenant: ID, $id: ID!) { revokeInvitation(tenant: $tenant, id: $id) }'

const path = '/v1/invitations'
const tags = ['People']
const PEOPLE = 'For people who are signed in, not for API keys.'

const routes = {
  list: createRoute({
    method: 'get',
    path,
    tags,
    summary: 'Open invitations',
    description: `Without their links. ${PEOPLE}`,
    request: { query: tenantQuery },
    responses: {
      200: json(z.object({ data: z.array(invitation), meta: z.object({}) }), 'The newest first.'),
      ...problems,
    },
  }),
  revoke: createRoute({
    method: 'delete',
    path: `${path}/{id}`,
    tags,
    summary: 'Revoke an invitation',
    description: `Its link opens nothing any more. ${PEOPLE}`,
    request: { params: z.object({ id: z.string() }), query: tenantQuery },
    responses: { 204: { description: 'Done.' }, ...changeProblems },
  }),
}

export function addInvitationRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(routes.list, async (c) => {
    const { data } = await runOperation<{ list: InvitationNode[] }>(c, LIST, c.req.valid('query'))
    return respond(c, { rows: data.list.map(toRestInvitation), meta: {} })
  })
  app.openapi(routes.revoke, async (c) => {
    await runOperation(c, REVOKE, { ...c.req.valid('query'), ...c.req.valid('param') })
    return c.body(null, 204)
  })
  app.openAPIRegistry.registerPath({
    method: 'post',
    path,
    tags,
    summary: 'Invite somebody',
    description: `For seven days, with a role up to the own one. The link is in this response alone. ${PEOPLE}`,
    request: { query: tenantQuery, body: bodyOf(newInvitationBody) },
    responses: {
      201: json(z.object({ data: invitation, url: z.string() }), 'The invitation and its link.'),
      ...changeProblems,
    },
  })
  app.post(path, async (c) => {
    const { email, role } = await readBody(c, newInvitationBody)
    const { data } = await runOperation<{ created: { url: string; invitation: InvitationNode } }>(
      c,
      INVITE,
      { tenant: c.req.query('tenant'), email, role: role.toUpperCase() },
    )
    const { url, invitation } = data.created
    return c.json({ data: toRestInvitation(invitation), url }, 201, { 'Cache-Control': 'no-store' })
  })
}
