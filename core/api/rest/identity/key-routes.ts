import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { ZodType } from 'zod'
import { ApiError } from '../../../lib/api-error.ts'
import type { RestEnv } from '../admit.ts'
import { changeProblems, problems, respond } from '../formats.ts'
import type { RunOperation } from '../operation.ts'
import { tenantQuery } from '../schemas.ts'
import {
  apiKey,
  KEY_FIELDS,
  type KeyNode,
  keyChangesBody,
  keyUser,
  newKeyBody,
  rotationBody,
  toKeyInput,
  toRestKey,
  toRestUser,
  type UserNode,
} from './key-schemas.ts'
import { readBody, versionFor } from './read-body.ts'

const LIST = `query RestKeys($tenant: ID) { keys: apiKeys(tenant: $tenant) { ${KEY_FIELDS} } }`
const USE = `query RestKeyUse($tenant: ID, $id: ID!) {
  users: apiKeyUse(tenant: $tenant, id: $id) { client origin eventsPerMinute eventsLastDay lastSeenAt } }`
const CREATE = `mutation RestCreateKey($tenant: ID, $input: ApiKeyInput!) {
  result: createApiKey(tenant: $tenant, input: $input) { secret key { ${KEY_FIELDS} } } }`
const CHANGE = `mutation RestChangeKey($tenant: ID, $id: ID!, $version: Int!, $changes: ApiKeyChanges!) {
  key: changeApiKey(tenant: $tenant, id: $id, version: $version, changes: $changes) { ${KEY_FIELDS} } }`
const ROTATE = `mutation RestRotateKey($tenant: ID, $id: ID!, $version: Int!, $overlapHours: Float) {
  result: rotateApiKey(tenant: $tenant, id: $id, version: $version, overlapHours: $overlapHours) {
    secret key { ${KEY_FIELDS} } replaced { ${KEY_FIELDS} } } }`
const REVOKE = `mutation RestRevokeKey($tenant: ID, $id: ID!, $version: Int) {
  key: revokeApiKey(tenant: $tenant, id: $id, version: $version) { ${KEY_FIELDS} } }`

const path = '/v1/keys'
const tags = ['API keys']
const params = z.object({ id: z.string().openapi({ description: 'The id of an API key.' }) })
const PEOPLE =
  'For people who are signed in, not for API keys. The version that a change was made for is in the body, or in If-Match as the ETag that one key has.'

const json = (schema: ZodType, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const body = (schema: ZodType) => ({
  required: true,
  content: { 'application/json': { schema } },
})
const one = json(z.object({ data: apiKey }), 'The key, without its secret.')
const secret = z.string().openapi({ description: 'The key itself; it cannot be read again.' })

const routes = {
  list: createRoute({
    method: 'get',
    path,
    tags,
    summary: 'API keys',
    description: 'Without their secrets; those that work first.',
    request: { query: tenantQuery },
    responses: {
      200: json(z.object({ data: z.array(apiKey), meta: z.object({}) }), 'All of them.'),
      ...problems,
    },
  }),
  get: createRoute({
    method: 'get',
    path: `${path}/{id}`,
    tags,
    summary: 'One API key',
    request: { params, query: tenantQuery },
    responses: { 200: one, ...problems },
  }),
  use: createRoute({
    method: 'get',
    path: `${path}/{id}/use`,
    tags,
    summary: 'Who uses an API key',
    description: 'The clients and origins that sent events with it in the last day.',
    request: { params, query: tenantQuery },
    responses: {
      200: json(z.object({ data: z.array(keyUser), meta: z.object({}) }), 'The busiest first.'),
      ...problems,
    },
  }),
  revoke: createRoute({
    method: 'delete',
    path: `${path}/{id}`,
    tags,
    summary: 'Revoke an API key',
    description: `Core refuses it at once, every edge within 60 s. ${PEOPLE}`,
    request: { params, query: tenantQuery },
    responses: { 200: one, ...changeProblems },
  }),
}

export function addKeyRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  const list = async (c: Context<RestEnv>, tenant: string | undefined) =>
    (await runOperation<{ keys: KeyNode[] }>(c, LIST, { tenant })).data.keys

  app.openapi(routes.list, async (c) => {
    const { tenant } = c.req.valid('query')
    return respond(c, { rows: (await list(c, tenant)).map(toRestKey), meta: {} })
  })
  app.openapi(routes.get, async (c) => {
    const { id } = c.req.valid('param')
    const { tenant } = c.req.valid('query')
    const found = (await list(c, tenant)).find((key) => key.id === id.toLowerCase())
    if (!found) throw new ApiError('KEY_NOT_FOUND')
    return sendKey(c, found)
  })
  app.openapi(routes.use, async (c) => {
    const variables = { ...c.req.valid('query'), ...c.req.valid('param') }
    const { data } = await runOperation<{ users: UserNode[] }>(c, USE, variables)
    return respond(c, { rows: data.users.map(toRestUser), meta: {} })
  })
  app.openapi(routes.revoke, async (c) => {
    const version = c.req.header('if-match') === undefined ? undefined : versionFor(c, undefined)
    const variables = { ...c.req.valid('query'), ...c.req.valid('param'), version }
    const { data } = await runOperation<{ key: KeyNode }>(c, REVOKE, variables)
    return sendKey(c, data.key)
  })
  addCreateRoute(app, runOperation)
  addChangeRoute(app, runOperation)
  addRotateRoute(app, runOperation)
}

/** With its version as ETag, which If-Match takes. */
function sendKey(c: Context, key: KeyNode) {
  const headers = { ETag: `"${key.version}"`, 'Cache-Control': 'private, no-store' }
  return c.json({ data: toRestKey(key) }, 200, headers)
}

function addCreateRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openAPIRegistry.registerPath({
    method: 'post',
    path,
    tags,
    summary: 'Create an API key',
    description: PEOPLE,
    request: { query: tenantQuery, body: body(newKeyBody) },
    responses: { 201: json(z.object({ data: apiKey, secret }), 'The key.'), ...changeProblems },
  })
  app.post(path, async (c) => {
    const input = toKeyInput(await readBody(c, newKeyBody))
    const tenant = c.req.query('tenant')
    const { data } = await runOperation<{ result: { secret: string; key: KeyNode } }>(c, CREATE, {
      tenant,
      input,
    })
    const { secret, key } = data.result
    const headers = { Location: `${path}/${key.id}`, 'Cache-Control': 'no-store' }
    return c.json({ data: toRestKey(key), secret }, 201, headers)
  })
}

function addChangeRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openAPIRegistry.registerPath({
    method: 'patch',
    path: `${path}/{id}`,
    tags,
    summary: 'Change an API key',
    description: `What is left out stays. Every edge uses the change within 60 s. ${PEOPLE}`,
    request: { params, query: tenantQuery, body: body(keyChangesBody) },
    responses: { 200: one, ...changeProblems },
  })
  app.patch(`${path}/:id`, async (c) => {
    const { version: inBody, ...settings } = await readBody(c, keyChangesBody)
    const { data } = await runOperation<{ key: KeyNode }>(c, CHANGE, {
      tenant: c.req.query('tenant'),
      id: c.req.param('id'),
      version: versionFor(c, inBody),
      changes: toKeyInput(settings),
    })
    return sendKey(c, data.key)
  })
}

function addRotateRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openAPIRegistry.registerPath({
    method: 'post',
    path: `${path}/{id}/rotate`,
    tags,
    summary: 'Replace an API key',
    description: `Creates a key with the same settings; the old one works on for overlap_hours, 24 unless given. ${PEOPLE}`,
    request: { params, query: tenantQuery, body: body(rotationBody) },
    responses: {
      201: json(z.object({ data: apiKey, secret, replaced: apiKey }), 'The new key.'),
      ...changeProblems,
    },
  })
  app.post(`${path}/:id/rotate`, async (c) => {
    const { version: inBody, overlap_hours: overlapHours } = await readBody(c, rotationBody)
    const { data } = await runOperation<{
      result: { secret: string; key: KeyNode; replaced: KeyNode }
    }>(c, ROTATE, {
      tenant: c.req.query('tenant'),
      id: c.req.param('id'),
      version: versionFor(c, inBody),
      overlapHours,
    })
    const { secret, key, replaced } = data.result
    const headers = { Location: `${path}/${key.id}`, 'Cache-Control': 'no-store' }
    return c.json({ data: toRestKey(key), secret, replaced: toRestKey(replaced) }, 201, headers)
  })
}
