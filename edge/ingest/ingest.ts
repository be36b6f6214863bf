import { addressGroup } from '../../contract/address-group.ts'
import type { ItemError } from '../../contract/errors.ts'
import {
  type AdmissionDeps,
  type AdmittedRequest,
  admitRequest,
  type IngestRequest,
} from '../admission/admit-request.ts'
import { type AddressOf, type Authenticate, hasKeyInHeader } from '../auth/authenticate.ts'
import type { IngestFormat, InvalidItem, ResponseSpec } from '../formats/ingest-format.ts'
import { allInvalidProblem } from '../formats/json-response.ts'
import type { Handler } from '../http/context.ts'
import { HttpProblem } from '../http/http-problem.ts'
import { type PublishDeps, publishValidated } from './publish-validated.ts'
import { type ReadDeps, readEvents, readEventsWithKey } from './read-events.ts'
import { type EventChunk, truncateErrors, validateEvents } from './validate-events.ts'

export interface IngestDeps extends ReadDeps, AdmissionDeps, PublishDeps {
  authenticate: Authenticate
  addressOf: AddressOf
}

/** authenticate ▶ read ▶ admit ▶ validate ▶ publish, for clients whose key is in a header or the query. */
export function ingestEvents(formats: readonly IngestFormat[], deps: IngestDeps): Handler {
  return (c) =>
    withErrorBody(formats[0]?.errorBody, async () => {
      const authenticated = await deps.authenticate(c)
      return readEvents(c.req.raw, formats, deps, authenticated.key, (read) =>
        ingest({ ...authenticated, ...read }, deps),
      )
    })
}

/**
 * For formats whose envelope may carry the key. A key in a header is checked before the body is read; otherwise
 * read ▶ authenticate ▶ admit ▶ validate ▶ publish.
 */
export function ingestKeyInBody(format: IngestFormat, deps: IngestDeps): Handler {
  return (c) =>
    withErrorBody(format.errorBody, async () => {
      if (hasKeyInHeader(c)) {
        const known = await deps.authenticate(c)
        return readEvents(c.req.raw, [format], deps, known.key, (read) =>
          withErrorBody(read.format.errorBody, async () => {
            const { historical } = read.batch
            const authenticated = historical ? await deps.authenticate(c, read.batch) : known
            return ingest({ ...authenticated, ...read }, deps)
          }),
        )
      }
      const address = addressGroup(deps.addressOf(c.req.raw, c.env) ?? '')
      return readEventsWithKey(c.req.raw, format, deps, address, (read, reservation) =>
        withErrorBody(read.format.errorBody, async () => {
          const authenticated = await deps.authenticate(c, read.batch, reservation.duringLookup)
          reservation.forKey(authenticated.key)
          return ingest({ ...authenticated, ...read }, deps)
        }),
      )
    })
}

/** Errors in the layout that the format's clients read. */
async function withErrorBody(
  errorBody: IngestFormat['errorBody'],
  run: () => Promise<Response>,
): Promise<Response> {
  try {
    return await run()
  } catch (error) {
    if (!errorBody || !(error instanceof HttpProblem) || error.options.body) throw error
    throw new HttpProblem(error.code, { ...error.options, body: errorBody })
  }
}

function ingest(request: IngestRequest, deps: IngestDeps): Promise<Response> {
  return admitRequest(request, deps, (admitted) => validateAndPublish(admitted, deps))
}

async function validateAndPublish(
  request: AdmittedRequest,
  deps: PublishDeps,
): Promise<ResponseSpec> {
  const { c, format, batch, receivedMs, idempotent } = request
  const chunk: EventChunk = {
    batch,
    receivedMs,
    firstIndex: 0,
    idempotency: idempotent && { key: idempotent.key, contentOf: () => idempotent.content },
  }
  const validated = await validateEvents(request, chunk)
  const rejects = format.onInvalid === 'reject'
  const isRefused = validated.accepted.length === 0 && batch.items.length > 0
  if (rejects && isRefused && !format.listsAllInvalid)
    throw allInvalidProblem(batch.isSingleEvent, truncateErrors(validated.errors))
  const deadLetters = rejects ? [] : byIndex(validated.errors)
  const accepted = await publishValidated(
    request,
    chunk,
    validated,
    deadLetters,
    format.route,
    deps,
  )
  return format.buildResponse({
    requestId: c.get('requestId'),
    incoming: batch,
    accepted,
    deadLetters,
    errors: rejects ? truncateErrors(validated.errors) : [],
    warnings: validated.warnings,
  })
}

function byIndex(errors: readonly ItemError[]): InvalidItem[] {
  const found = new Map<number, ItemError[]>()
  for (const error of errors) {
    const same = found.get(error.index)
    if (same) same.push(error)
    else found.set(error.index, [error])
  }
  return [...found].map(([index, errors]) => ({ index, errors }))
}
