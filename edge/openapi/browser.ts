import { RATE_LIMIT_HEADERS } from './components.ts'
import type { Example, Operation } from './operation.ts'
import { acceptedExample, GENERATED_ID, REQUEST_ERRORS } from './responses.ts'

const SCRIPT_HEADERS = [
  'ETag',
  'Cache-Control',
  'Cross-Origin-Resource-Policy',
  'Timing-Allow-Origin',
  'X-Content-Type-Options',
]

/** From pages: with a public key in the address, because neither beacons nor images have headers. */
export const browser: readonly Operation[] = [
  {
    id: 'script',
    method: 'get',
    paths: ['/sluice.js'],
    group: 'browser',
    summary: 'A small script for web pages',
    security: [],
    parameters: ['ifNoneMatch'],
    responses: {
      200: {
        description:
          'Batches events, retries with the same ids, and sends the rest when the page is left.',
        type: 'text/javascript; charset=utf-8',
        schema: { type: 'string' },
        headers: SCRIPT_HEADERS,
      },
      304: { description: 'The cached script is current.', headers: SCRIPT_HEADERS },
    },
    errors: [],
    examples: [{ title: 'The script', status: 200 }],
  },
  {
    id: 'pixel',
    method: 'get',
    paths: ['/v1/pixel.gif'],
    group: 'browser',
    summary: 'An event as an image, for e-mails and noscript',
    description:
      'Query parameters are the event’s fields; others become properties. The response is always an image, with the status of the event.',
    parameters: ['pixelName', 'historical'],
    security: ['query', 'bearer', 'header', 'basic'],
    responses: {
      200: {
        description: 'The log has acknowledged the event; an invalid one becomes a dead letter.',
        type: 'image/gif',
        schema: { type: 'string' },
        headers: [...RATE_LIMIT_HEADERS, 'Cache-Control', 'Cross-Origin-Resource-Policy'],
      },
    },
    errors: REQUEST_ERRORS.filter((code) => !/IDEMPOTENCY|MEDIA_TYPE|BODY|ENCODING/.test(code)),
    errorMediaType: 'image/gif',
    examples: [
      {
        title: 'An image in an e-mail',
        path: '/v1/pixel.gif?key=$KEY&name=mail_opened&user_id=u123&campaign=spring',
        status: 200,
        needs: { kind: 'pub' },
      },
    ],
  },
]

/** Of `POST /v1/events`, but shown in the browser section. */
export const beaconExamples: readonly Example[] = [
  {
    title: 'A beacon: text/plain, the key in the address',
    group: 'browser',
    path: '/v1/events?key=$KEY',
    headers: { 'Content-Type': 'text/plain' },
    body: { event: 'page_left', user_id: 'u123', value: 12.5 },
    status: 202,
    response: acceptedExample([GENERATED_ID], true),
    needs: { kind: 'pub' },
  },
]
