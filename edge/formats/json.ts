import { readBatch } from '../../contract/event/batch.ts'
import { readTime } from '../../contract/event/time.ts'
import { elementTexts } from '../../contract/json/slices.ts'
import { HttpProblem } from '../http/http-problem.ts'
import type { IncomingBatch, IngestFormat, IngestResult, RequestBody } from './ingest-format.ts'
import { acceptedResponse } from './json-response.ts'

/** Our own: one event, an array, or `{"events":[…]}`. */
export const json: IngestFormat = {
  route: 'events',
  onInvalid: 'reject',
  read: readJson,
  buildResponse: (result) => ({ status: 202, body: JSON.stringify(acceptedResponse(result)) }),
}

/**
 * Compatibility endpoints for clients of older collectors. The response begins with the members that each
 * client reads; ours follow.
 */
export const legacy: IngestFormat = {
  ...json,
  route: 'classic',
  buildResponse: (result) => ({ status: 202, body: JSON.stringify(legacyResponse(result)) }),
}

function readJson({ text }: RequestBody): IncomingBatch {
  const body = text()
  const read = readBatch(body)
  if (!read.ok) throw new HttpProblem(read.code, { detail: read.detail })
  const { isSingleEvent, items, member, sentAt } = read
  if (sentAt !== undefined) {
    const time = readTime(sentAt)
    if (!time.ok) throw new HttpProblem('SENT_AT_INVALID', { detail: `sent_at ${time.detail}.` })
  }
  let texts: string[] | undefined
  return {
    isSingleEvent,
    items,
    sentAt,
    hasNoEscapes: !body.includes('\\u'),
    original(index) {
      if (isSingleEvent) return body
      texts ??= elementTexts(body, member)
      return texts[index] ?? ''
    },
  }
}

/**
 * `{status, event_id}` and `{status, request_id}` for one event, `{status, count, event_ids}` for several. The
 * `duplicate` that one of them had is left out: only the worker finds duplicates, after the response.
 */
function legacyResponse(result: IngestResult) {
  const { event_id, status: _, ...ours } = acceptedResponse(result)
  const own = result.incoming.isSingleEvent
    ? { status: 'accepted', event_id }
    : {
        status: 'accepted',
        count: result.accepted.length,
        event_ids: result.accepted.map(({ event }) => event.event_id),
      }
  return { ...own, ...ours }
}
