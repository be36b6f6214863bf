import { Hono } from 'hono'
import type { Admission } from './admission/admission.ts'
import { type AddressOf, createAuthenticate } from './auth/authenticate.ts'
import type { FindKey } from './auth/key-directory.ts'
import type { KeyOfSite } from './auth/site-keys.ts'
import { cloudEventFormats } from './formats/cloudevents/formats.ts'
import { json, legacy } from './formats/json.ts'
import { MIXPANEL_ROUTES } from './formats/mixpanel/paths.ts'
import { ingestNdjson, isNdjson } from './formats/ndjson/ndjson.ts'
import { otlp } from './formats/otlp/format.ts'
import { pixelFormat, sendPixel } from './formats/pixel.ts'
import { POSTHOG_ROUTES } from './formats/posthog/paths.ts'
import { routePostHogStubs } from './formats/posthog/stubs.ts'
import { SEGMENT_ROUTES } from './formats/segment/paths.ts'
import { segmentMetrics, segmentSettings } from './formats/segment/settings.ts'
import { snowplowPixel } from './formats/snowplow/format.ts'
import { VENDOR_ROUTES } from './formats/vendor-routes.ts'
import { createBudgets } from './http/budgets.ts'
import type { EdgeEnv, Handler, Middleware } from './http/context.ts'
import { health } from './http/health.ts'
import { preflight, preflightUnknownPath } from './http/preflight.ts'
import type { Report } from './http/report.ts'
import { beginResponse } from './http/respond.ts'
import { createSecurityLog } from './http/security-log.ts'
import { errorHandler, methodNotAllowed, notFound, refuseHead } from './http/send-problem.ts'
import { ingestEvents, ingestKeyInBody } from './ingest/ingest.ts'
import type { GeoOf } from './ingest/visitor.ts'
import { CSP_REPORT_PATH, cspReport } from './openapi/docs-page/csp-report.ts'
import { docs, openApi } from './openapi/docs-page/serve.ts'
import type { Publish } from './publish/publisher.ts'
import { sluiceJs } from './sdk/script.ts'

export interface EdgeDeps {
  findKey: FindKey
  admission: Admission
  publish: Publish
  /** Which edge this is; travels with every record. */
  edgeNameOf: (request: Request) => string
  /** Where a request came from; no location is known without it. */
  geoOf?: GeoOf | undefined
  addressOf: AddressOf
  /** Keys of sites whose format has no place for one; none without it. */
  keyOfSite?: KeyOfSite
  /** Whether the client's own connection has TLS, before any proxy; by the URL's scheme without it. */
  isHttps?: (request: Request, env: unknown) => boolean
  /** Milliseconds since the epoch. */
  now: () => number
  report: Report
  /** How long a stream of lines may be, decoded; LIMITS.ndjsonBytesMax without it. */
  ndjsonBytesMax?: number
  /** Filled in on /docs; only where the edge listens on this machine alone. */
  docsKey?: string
}

const LEGACY_PATHS = ['/ingest', '/events', '/api/v1/events', '/api/v1/events/batch']

/** The whole edge: a function from Request to Response, the same in every runtime. */
export function createEdge(deps: EdgeDeps) {
  const steps = {
    ...deps,
    authenticate: createAuthenticate(
      deps.findKey,
      deps.now,
      deps.addressOf,
      deps.keyOfSite ?? (() => undefined),
    ),
    budgets: createBudgets(deps.now),
  }
  const app = new Hono<EdgeEnv>()
  app.onError(errorHandler(deps.report, createSecurityLog(deps.report, deps.now), deps.addressOf))
  app.notFound(notFound)
  app.use(beginResponse(deps.isHttps))

  get('/healthz', health(deps.admission))
  get('/openapi.json', openApi())
  get('/docs', docs(deps.docsKey, deps.addressOf))
  post([CSP_REPORT_PATH], cspReport(steps))
  get('/sluice.js', sluiceJs)

  const events = ingestEvents([...cloudEventFormats, json], steps)
  const lines = ingestNdjson({ ...steps, ...deps.admission })
  post(['/v1/events'], (c) => (isNdjson(c.req.raw) ? lines(c) : events(c)))
  post(LEGACY_PATHS, ingestEvents([legacy], steps))
  for (const { paths, format } of POSTHOG_ROUTES) post(paths, ingestKeyInBody(format, steps))
  for (const { paths, format } of SEGMENT_ROUTES) post(paths, ingestKeyInBody(format, steps))
  post(['/v1/logs'], ingestEvents([otlp], steps))
  for (const { paths, format } of MIXPANEL_ROUTES)
    for (const path of paths) ingestByGet(path, ingestKeyInBody(format, steps))
  for (const { paths, format } of VENDOR_ROUTES) post(paths, ingestKeyInBody(format, steps))
  ingestByGet('/i', ingestKeyInBody(snowplowPixel, steps), sendPixel())
  ingestByGet('/v1/pixel.gif', ingestEvents([pixelFormat], steps), sendPixel())

  routePostHogStubs(app)
  get('/v1/projects/:writeKey/settings', segmentSettings)
  post(['/v1/m'], segmentMetrics)
  app.options('*', preflightUnknownPath)
  return app

  function get(path: string, handler: Handler) {
    app.get(path, handler)
    app.options(path, preflight('GET, HEAD, OPTIONS'))
    app.all(path, methodNotAllowed('GET, HEAD, OPTIONS'))
  }

  /** Whoever checks a link with HEAD has sent no event, and Hono would run the handler of GET. */
  function ingestByGet(path: string, handler: Handler, image?: Middleware) {
    const allowed = image ? 'GET, OPTIONS' : 'GET, POST, OPTIONS'
    app.use(path, refuseHead(allowed))
    if (image) app.get(path, image)
    app.on(image ? ['GET'] : ['GET', 'POST'], path, handler)
    app.options(path, preflight(allowed))
    app.all(path, methodNotAllowed(allowed))
  }

  function post(paths: readonly string[], handler: Handler) {
    for (const path of paths) {
      app.post(path, handler)
      app.options(path, preflight('POST, OPTIONS'))
      app.all(path, methodNotAllowed('POST, OPTIONS'))
    }
  }
}
