import { type Case, EVENT } from './case.ts'

/** Paths and methods. */
export const ROUTES: readonly Case[] = [
  ...['/v1/events', '/ingest', '/events', '/api/v1/events', '/api/v1/events/batch'].flatMap(
    (path): Case[] => [
      { title: `POST ${path}`, path, body: EVENT, status: 202 },
      {
        title: `GET ${path}`,
        method: 'GET',
        path,
        status: 405,
        code: 'METHOD_NOT_ALLOWED',
        responseHeaders: { allow: 'POST, OPTIONS' },
      },
      {
        title: `OPTIONS ${path}`,
        method: 'OPTIONS',
        path,
        key: null,
        headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST' },
        status: 204,
        responseHeaders: {
          allow: 'POST, OPTIONS',
          'access-control-allow-methods': 'POST, OPTIONS',
          'access-control-allow-headers': /authorization.*idempotency-key.*x-api-key/,
          'access-control-max-age': '86400',
        },
      },
    ],
  ),
  ...['PUT', 'DELETE', 'PATCH', 'PROPFIND'].map(
    (method): Case => ({
      title: `${method} /v1/events`,
      method,
      body: EVENT,
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      responseHeaders: { allow: 'POST, OPTIONS' },
    }),
  ),
  { title: 'HEAD /v1/events', method: 'HEAD', status: 405 },
  { title: 'GET /healthz', method: 'GET', path: '/healthz', key: null, status: 200 },
  {
    title: 'POST /healthz',
    path: '/healthz',
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    responseHeaders: { allow: 'GET, HEAD, OPTIONS' },
  },
  ...['/', '/v1', '/v1/events/', '/v2/events', '/V1/EVENTS', '/v1/events%2f', '/%00', '/..'].map(
    (path): Case => ({
      title: `the unknown path ${path}`,
      path,
      body: EVENT,
      status: 404,
      code: 'NOT_FOUND',
    }),
  ),
]
