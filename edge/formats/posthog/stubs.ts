import type { Hono } from 'hono'
import type { EdgeContext, EdgeEnv } from '../../http/context.ts'
import { preflight } from '../../http/preflight.ts'
import { respond } from '../../http/respond.ts'
import { methodNotAllowed, notFound } from '../../http/send-problem.ts'
import { withSlash } from './paths.ts'

/**
 * What PostHog's libraries request besides sending events: no flags, no surveys, no recordings. It needs
 * no key and reveals nothing about one, so the token in a path is not looked up. Session recordings that
 * are sent all the same are accepted and dropped.
 */
export function routePostHogStubs(app: Hono<EdgeEnv>): void {
  stub(app, 'POST', ['/flags', '/decide'], (c) => json(c, flags(c)))
  stub(app, 'POST', ['/s'], (c) => json(c, { status: 1 }))
  stub(app, 'GET', ['/api/surveys'], (c) => json(c, { surveys: [] }))
  stub(app, 'GET', ['/array/:token/config'], (c) => json(c, CONFIG))
  stub(app, 'GET', ['/array/:token/config.js'], (c) => {
    const token = c.req.param('token') ?? ''
    if (!/^[\w-]{1,128}$/.test(token)) return notFound(c)
    return respond(c, { status: 200, type: 'application/javascript', body: script(token) })
  })
}

function stub(
  app: Hono<EdgeEnv>,
  method: 'GET' | 'POST',
  paths: readonly string[],
  handler: (c: EdgeContext) => Response,
): void {
  const allowed = method === 'GET' ? 'GET, HEAD, OPTIONS' : 'POST, OPTIONS'
  for (const path of paths.flatMap(withSlash)) {
    app.on(method, path, handler)
    app.options(path, preflight(allowed))
    app.all(path, methodNotAllowed(allowed))
  }
}

/**
 * Everything but events, disabled. `surveys` is missing on purpose: if it is present, even as false,
 * posthog-js requests a script for them.
 */
const CONFIG = {
  supportedCompression: ['gzip', 'gzip-js', 'base64'],
  hasFeatureFlags: false,
  captureDeadClicks: false,
  capturePerformance: false,
  autocapture_opt_out: false,
  autocaptureExceptions: false,
  analytics: { endpoint: '/i/v0/e/' },
  elementsChainAsString: true,
  sessionRecording: false,
  heatmaps: false,
  conversations: false,
  defaultIdentifiedOnly: true,
  isAuthenticated: false,
  siteApps: [],
  toolbarParams: {},
}

/** In the layouts of both versions: `flags` for the second, the rest for the first and for /decide. */
function flags(c: EdgeContext) {
  return {
    ...CONFIG,
    flags: {},
    featureFlags: {},
    featureFlagPayloads: {},
    errorsWhileComputingFlags: false,
    requestId: c.get('requestId'),
  }
}

/** @param token letters, digits, `-` and `_` only: it is written into a script */
function script(token: string): string {
  const config = JSON.stringify({ config: { ...CONFIG, token }, siteApps: [] })
  return `(window._POSTHOG_REMOTE_CONFIG = window._POSTHOG_REMOTE_CONFIG || {})['${token}'] = ${config}\n`
}

function json(c: EdgeContext, body: unknown): Response {
  return respond(c, { status: 200, body: JSON.stringify(body) })
}
