import { RATE_LIMIT_HEADERS } from './components.ts'
import type { Operation } from './operation.ts'
import { JSON_TYPE, KEY_IN_BODY, REQUEST_ERRORS } from './responses.ts'
import { object, ref } from './schema-helpers.ts'

const BASIC = { Authorization: 'Basic $BASIC' }
const success = object({ success: { const: true } }, ['success'])

const responses: Operation['responses'] = {
  200: {
    description: 'The log has acknowledged the events; invalid ones become dead letters.',
    type: 'application/json',
    schema: success,
    headers: [...RATE_LIMIT_HEADERS, 'Idempotency-Replayed'],
  },
}

const shared = {
  method: 'post',
  group: 'segment',
  parameters: ['historical'],
  security: KEY_IN_BODY,
  responses,
  errors: REQUEST_ERRORS,
} as const

/** One call on its own path. */
function call(
  name: string,
  summary: string,
  message: Readonly<Record<string, unknown>>,
): Operation {
  return {
    ...shared,
    id: `segment${(name[0] as string).toUpperCase()}${name.slice(1)}`,
    paths: [`/v1/${name}`, `/v1/${name[0]}`],
    summary,
    body: { 'application/json': ref('SegmentMessage'), 'text/plain': ref('SegmentMessage') },
    examples: [
      {
        title: `A ${name} call`,
        headers: { ...BASIC, ...JSON_TYPE },
        body: message,
        status: 200,
        response: { success: true },
      },
    ],
  }
}

/** Segment's HTTP API. Its libraries drop on a 4xx, so an invalid event gets 200 and becomes a dead letter. */
export const segment: readonly Operation[] = [
  {
    ...shared,
    id: 'segmentBatch',
    paths: ['/v1/batch', '/v1/b', '/v1/import'],
    summary: 'Send a batch of calls',
    description:
      'An invalid message becomes a dead letter with its reason, and the response is 200: these libraries drop on a 4xx.',
    body: { 'application/json': ref('SegmentBatch'), 'text/plain': ref('SegmentBatch') },
    examples: [
      {
        title: 'A batch',
        headers: { ...BASIC, ...JSON_TYPE },
        body: {
          batch: [
            { type: 'identify', messageId: 'm-1', userId: 'u123', traits: { plan: 'team' } },
            {
              type: 'track',
              messageId: 'm-2',
              userId: 'u123',
              event: 'Order Completed',
              properties: { total: 49.9 },
            },
          ],
        },
        status: 200,
        response: { success: true },
      },
      {
        title: 'The key in the body, as older browser libraries send it',
        headers: { 'Content-Type': 'text/plain' },
        body: {
          writeKey: '$KEY',
          batch: [{ type: 'page', messageId: 'm-3', anonymousId: 'a-7', name: 'Pricing' }],
        },
        status: 200,
        response: { success: true },
      },
    ],
  },
  call('track', 'What a user did', {
    userId: 'u123',
    event: 'Signed Up',
    properties: { plan: 'team' },
  }),
  call('identify', 'Who a user is', { userId: 'u123', traits: { plan: 'team' } }),
  call('page', 'A page view', { anonymousId: 'a-7', name: 'Pricing' }),
  call('screen', 'A screen view', { userId: 'u123', name: 'Cart' }),
  call('group', 'Which group a user belongs to', { userId: 'u123', groupId: 'acme' }),
  call('alias', 'A user’s earlier id', { userId: 'u123', previousId: 'a-7' }),
  {
    id: 'segmentSettings',
    method: 'get',
    paths: ['/v1/projects/{writeKey}/settings'],
    group: 'segment',
    summary: 'The settings that Segment’s browser library requests from its CDN',
    description: 'With `cdnURL` set to the edge, the library sends its events there as well.',
    parameters: ['writeKey'],
    security: [],
    responses: {
      200: {
        description: 'Settings that name this edge as the host.',
        type: 'application/json',
        schema: object({ integrations: { type: 'object' } }, ['integrations']),
        headers: ['Cache-Control'],
      },
    },
    errors: ['KEY_UNKNOWN'],
    examples: [
      {
        title: 'Settings for a browser',
        path: '/v1/projects/$KEY/settings',
        status: 200,
        needs: { kind: 'pub' },
      },
    ],
  },
  {
    id: 'segmentMetrics',
    method: 'post',
    paths: ['/v1/m'],
    group: 'segment',
    summary: 'The browser library’s metrics about itself',
    description: 'Accepted and dropped.',
    security: [],
    body: { 'application/json': {}, 'text/plain': {} },
    responses: { 200: { description: 'Dropped.', type: 'application/json', schema: success } },
    errors: [],
    examples: [],
  },
]
