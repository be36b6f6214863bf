import { Hono } from 'hono'
import { LIMITS } from '../contract/limits.ts'
import { type Admission, admitRequest } from './admission/admission.ts'
import { type AddressOf, authenticate } from './auth/authenticate.ts'
import type { FindKey } from './auth/key-directory.ts'
import { cloudEventFormats } from './formats/cloudevents/formats.ts'
import type { IngestFormat } from './formats/ingest-format.ts'
import { json, legacy } from './formats/json.ts'
import { ndjson } from './formats/ndjson/ndjson.ts'
import { pixelFormat, sendPixel } from './formats/pixel.ts'
import { POSTHOG_ROUTES } from './formats/posthog/paths.ts'
import { routePostHogStubs } from './formats/posthog/stubs.ts'
import { SEGMENT_ROUTES } from './formats/segment/paths.ts'
import { segmentMetrics, segmentSettings } from './formats/segment/settings.ts'
import { createByteBudget } from './http/byte-budget.ts'
import type { EdgeContext, EdgeEnv } from './http/context.ts'
import { errorHandler, methodNotAllowed, notFound, type Report } from './http/http-problem.ts'
import { preflight, preflightUnknownPath } from './http/preflight.ts'
import { begin, respond } from './http/respond.ts'
import { ingest } from './ingest/ingest.ts'
import { readEvents } from './ingest/read-events.ts'
import { docs, openApi } from './openapi/docs-page/serve.ts'
import type { Publish } from './publish/publisher.ts'
import { sluiceJs } from './sdk/script.ts'

export interface EdgeDeps {
  findKey: FindKey
  admission: Admission
  publish: Publish
  /** Which edge this is; travels with every record. */
  edgeNameOf: (request: Request) => string
  addressOf: AddressOf
  /** Milliseconds since the epoch. */
  now: () => number
  report: Report
  /** How long a stream of lines may be, decoded; LIMITS.ndjsonBytesMax without it. */
  ndjsonBytesMax?: number
  /** Stands in the key field of /docs; only where nobody but this machine can ask for it. */
  docsKey?: string
}

const CLASSIC_PATHS = ['/ingest', '/events', '/api/v1/events', '/api/v1/events/batch']

/** The whole edge: a function from Request to Response, the same in every runtime. */
export function createEdge(deps: EdgeDeps) {
  const room = createByteBudget(LIMITS.edgeBytesInFlightMax, deps.now)
  const who = authenticate(deps.findKey, deps.now, deps.addressOf) // who is this?
  const app = new Hono<EdgeEnv>()
  app.onError(errorHandler(deps.report))
  app.notFound(notFound)
  app.use(begin())

  show('/healthz', (c) =>
    respond(c, {
      status: 200,
      body: JSON.stringify({ status: 'ok', ...deps.admission.health?.() }),
    }),
  )
  show('/openapi.json', openApi())
  show('/docs', docs(deps.docsKey))
  show('/sluice.js', sluiceJs)

  app.post('/v1/events', ndjson({ ...deps, ...deps.admission, who, room })) // streams of lines; all else goes on
  takeIn(['/v1/events'], ...cloudEventFormats, json)
  takeIn(CLASSIC_PATHS, legacy)
  for (const { paths, way } of POSTHOG_ROUTES) takeIn(paths, way)
  routePostHogStubs(app)
  for (const { paths, way } of SEGMENT_ROUTES) takeIn(paths, way)
  show('/v1/projects/:writeKey/settings', segmentSettings)
  app.post('/v1/m', segmentMetrics)
  app.options('/v1/m', preflight('POST, OPTIONS'))
  app.all('/v1/m', methodNotAllowed('POST, OPTIONS'))
  app.get(
    '/v1/pixel.gif',
    sendPixel(), // a picture in any case
    who,
    readEvents([pixelFormat], room, deps.now),
    admitRequest(deps.admission, deps.now),
    ingest(deps),
  )
  app.options('/v1/pixel.gif', preflight('GET, HEAD, OPTIONS'))
  app.all('/v1/pixel.gif', methodNotAllowed('GET, HEAD, OPTIONS'))
  app.options('*', preflightUnknownPath)
  return app

  /** For everybody to read. */
  function show(path: string, page: (c: EdgeContext) => Response | Promise<Response>) {
    app.get(path, page)
    app.options(path, preflight('GET, HEAD, OPTIONS'))
    app.all(path, methodNotAllowed('GET, HEAD, OPTIONS'))
  }

  /** The first of the ways that takes a request's media type reads it. */
  function takeIn(paths: readonly string[], ...ways: readonly IngestFormat[]) {
    const what = readEvents(ways, room, deps.now) // are these events?
    const first = ways.some((way) => way.keyInBody)
      ? ([what, who] as const)
      : ([who, what] as const)
    for (const path of paths) {
      app.post(
        path,
        ...first,
        admitRequest(deps.admission, deps.now), // may they send this many now, and have we done this already?
        ingest(deps), // judge, stamp, publish, answer
      )
      app.options(path, preflight('POST, OPTIONS'))
      app.all(path, methodNotAllowed('POST, OPTIONS'))
    }
  }
}
