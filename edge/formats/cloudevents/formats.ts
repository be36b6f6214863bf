import { readBatch } from '../../../contract/event/batch.ts'
import { parseJson } from '../../../contract/json/json.ts'
import { elementTexts } from '../../../contract/json/slices.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { mediaTypeOf } from '../../http/read-body.ts'
import { base64 } from '../../lib/bytes.ts'
import type { IncomingBatch, IngestFormat, RequestBody } from '../ingest-format.ts'
import { json } from '../json.ts'
import { attributesInHeaders } from './headers.ts'
import { invalidItem, itemOf } from './item.ts'

const cloudevents = {
  route: 'cloudevents',
  onInvalid: 'reject',
  buildResponse: json.buildResponse,
} as const

/** A JSON array of events. The format allows an empty one: then the response is 202 without events. */
export const batched: IngestFormat = {
  ...cloudevents,
  accepts: (mediaType) => mediaType === 'application/cloudevents-batch+json',
  async read({ text }) {
    const body = text()
    const original = (index: number) => elementTexts(body)[index] ?? ''
    const read = readBatch(body)
    // Checked in the text, because our own envelope is not a batch of CloudEvents.
    const isArray = /^\s*\[/.test(body)
    const isEmpty = !read.ok && read.code === 'BATCH_EMPTY'
    if (!read.ok && !isEmpty) throw new HttpProblem(read.code, { detail: read.detail })
    const sent = read.ok ? read.items : []
    const items = isArray
      ? await Promise.all(sent.map(({ raw, badNumbers }) => itemOf(raw, badNumbers)))
      : [invalidItem([{ code: 'EVENT_NOT_OBJECT', detail: 'a batch is an array of CloudEvents' }])]
    return { isSingleEvent: false, items, original }
  },
}

/** One event, attributes and data together in JSON. */
export const structured: IngestFormat = {
  ...cloudevents,
  accepts: (mediaType) =>
    mediaType === 'application/cloudevents+json' || mediaType === 'application/cloudevents',
  async read({ text }) {
    const body = text()
    const parsed = parseJson(body)
    if (!parsed.ok) throw new HttpProblem('INVALID_JSON', { detail: parsed.detail })
    return singleEvent(body, await itemOf(parsed.value, parsed.badNumbers))
  },
}

/** One event: its attributes in headers, its data of any type in the body. */
export const binary: IngestFormat = {
  ...cloudevents,
  accepts: (mediaType, { headers }) =>
    !mediaType.startsWith('application/cloudevents') &&
    ['ce-specversion', 'ce-id', 'ce-source', 'ce-type'].some((name) => headers.has(name)),
  async read(body) {
    const { sent, faults } = attributesInHeaders(body.request.headers)
    const { data, badNumbers } = dataOf(body)
    const event = { ...sent, ...data }
    const item = faults.length > 0 ? invalidItem(faults) : await itemOf(event, badNumbers)
    return { ...singleEvent(JSON.stringify(event), item), fingerprintExtra: JSON.stringify(sent) }
  },
}

export const cloudEventFormats: readonly IngestFormat[] = [batched, structured, binary]

function singleEvent(original: string, item: IncomingBatch['items'][number]): IncomingBatch {
  return { isSingleEvent: true, items: [item], original: () => original }
}

/** A body without a type is read as JSON. @throws INVALID_JSON, INVALID_UTF8 */
function dataOf({ bytes, text, request }: RequestBody) {
  if (bytes.byteLength === 0) return { data: {}, badNumbers: [] }
  const mediaType = mediaTypeOf(request.headers)
  if (mediaType === '' || /^[^/]+\/(?:.+\+)?json$/.test(mediaType)) {
    const parsed = parseJson(text())
    if (!parsed.ok) throw new HttpProblem('INVALID_JSON', { detail: parsed.detail })
    const badNumbers = parsed.badNumbers.map(({ pointer, written }) => ({
      pointer: `/data${pointer}`,
      written,
    }))
    return { data: { data: parsed.value }, badNumbers }
  }
  const isText = /^text\/|[/+]xml$|^application\/x-www-form-urlencoded$/.test(mediaType)
  return { data: isText ? { data: text() } : { data_base64: base64(bytes) }, badNumbers: [] }
}
