import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { RestEnv } from '../admit.ts'
import { changeProblems, problems, respond } from '../formats.ts'
import type { RunOperation } from '../operation.ts'
import { json, SESSION_FIELDS, type SessionNode, session, toRestSession } from './people-schemas.ts'

const LIST = `query RestSessions { sessions { ${SESSION_FIELDS} } }`
const END = 'mutation RestEndSession($id: ID!) { endSession(id: $id) }'
const END_ALL =
  'mutation RestEndSessions($includingThis: Boolean) { ended: endAllSessions(includingThis: $includingThis) }'

const path = '/v1/sessions'
const tags = ['People']
const OWN = 'Those of who is signed in; not for API keys.'

const routes = {
  list: createRoute({
    method: 'get',
    path,
    tags,
    summary: 'Own sessions',
    description: OWN,
    request: { query: z.strictObject({}) },
    responses: {
      200: json(z.object({ data: z.array(session), meta: z.object({}) }), 'The newest first.'),
      ...problems,
    },
  }),
  endAll: createRoute({
    method: 'delete',
    path,
    tags,
    summary: 'End all own sessions',
    description: `But for the one of this request, unless including_this is true. ${OWN}`,
    request: { query: z.strictObject({ including_this: z.enum(['true', 'false']).optional() }) },
    responses: {
      200: json(z.object({ data: z.object({ ended: z.number().int() }) }), 'How many were ended.'),
      ...changeProblems,
    },
  }),
  end: createRoute({
    method: 'delete',
    path: `${path}/{id}`,
    tags,
    summary: 'End a session',
    description: OWN,
    request: { params: z.object({ id: z.string() }), query: z.strictObject({}) },
    responses: { 204: { description: 'Done.' }, ...changeProblems },
  }),
}

export function addSessionRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(routes.list, async (c) => {
    const { data } = await runOperation<{ sessions: SessionNode[] }>(c, LIST, {})
    return respond(c, { rows: data.sessions.map(toRestSession), meta: {} })
  })
  app.openapi(routes.endAll, async (c) => {
    const includingThis = c.req.valid('query').including_this === 'true'
    const { data } = await runOperation<{ ended: number }>(c, END_ALL, { includingThis })
    return c.json({ data: { ended: data.ended } }, 200)
  })
  app.openapi(routes.end, async (c) => {
    await runOperation(c, END, c.req.valid('param'))
    return c.body(null, 204)
  })
}
