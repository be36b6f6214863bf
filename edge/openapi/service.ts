import { CSP_REPORT_PATH } from './docs-page/csp-report.ts'
import type { Operation } from './operation.ts'
import { BODY_ERRORS } from './responses.ts'

/** About the edge itself. */
export const service: readonly Operation[] = [
  {
    id: 'health',
    method: 'get',
    paths: ['/healthz'],
    group: 'service',
    summary: 'Whether the edge is up',
    security: [],
    responses: {
      200: {
        description: 'The edge is up.',
        type: 'application/json',
        schema: {
          type: 'object',
          required: ['status'],
          properties: {
            status: { const: 'ok' },
            redis: {
              type: 'object',
              description:
                'Where rate limits and locks are in Redis: whether this process reaches it.',
              required: ['up', 'policy', 'requests_without', 'forgotten'],
              properties: {
                up: { type: 'boolean' },
                policy: { enum: ['fail-open', 'local', 'fail-closed'] },
                requests_without: { type: 'integer', minimum: 0 },
                forgotten: { type: 'integer', minimum: 0 },
              },
              additionalProperties: false,
            },
          },
          additionalProperties: false,
        },
      },
    },
    errors: [],
    examples: [{ title: 'Whether it is up', status: 200, response: { status: 'ok' } }],
  },
  {
    id: 'openApi',
    method: 'get',
    paths: ['/openapi.json'],
    group: 'service',
    summary: 'This document',
    security: [],
    responses: {
      200: {
        description: 'OpenAPI 3.1.',
        type: 'application/json',
        schema: { type: 'object', required: ['openapi', 'info', 'paths'] },
        headers: ['Cache-Control'],
      },
    },
    errors: [],
    examples: [{ title: 'The document', status: 200 }],
  },
  {
    id: 'docs',
    method: 'get',
    paths: ['/docs'],
    group: 'service',
    summary: 'This document as a page, to read and to try',
    security: [],
    responses: {
      200: {
        description: 'A page that loads nothing from other origins.',
        type: 'text/html; charset=utf-8',
        schema: { type: 'string' },
        headers: [
          'Cache-Control',
          'Content-Security-Policy',
          'Reporting-Endpoints',
          'X-Content-Type-Options',
          'Referrer-Policy',
          'Cross-Origin-Opener-Policy',
          'Cross-Origin-Resource-Policy',
        ],
        // It may contain this machine's key.
        sameOrigin: true,
      },
    },
    errors: [],
    examples: [{ title: 'The page', status: 200 }],
  },
  {
    id: 'cspReport',
    method: 'post',
    paths: [CSP_REPORT_PATH],
    group: 'service',
    summary: 'What browsers report when that page broke its Content-Security-Policy',
    description: 'Counted by directive for the operator’s log; nothing else of it is kept.',
    security: [],
    body: { 'application/csp-report': {}, 'application/reports+json': {} },
    responses: { 204: { description: 'Counted, if it is a report.' } },
    errors: BODY_ERRORS,
    examples: [],
  },
]
