import { isObject } from '../../../contract/json/is-object.ts'
import type { BadNumber } from '../../../contract/json/json.ts'
import { elementTexts } from '../../../contract/json/slices.ts'
import { numbersByEvent, parseBody, unreadableBody } from '../common/read-batch.ts'
import type { IncomingBatch, IncomingItem, IngestFormat, RequestBody } from '../ingest-format.ts'
import { type Call, readMessage, type Shared } from './message.ts'
import { readShared } from './shared.ts'

/**
 * Segment's HTTP API, for its published libraries: they drop on 400, 413 and 422, and send everything
 * else again with the same messageId.
 * @param call the type of messages that name none
 */
export function createSegmentFormat(call?: Call): IngestFormat {
  return {
    route: 'segment',
    onInvalid: 'dead-letter',
    // RudderStack's libraries call their JSON a form, and a client that drops on a 4xx is not refused for a header.
    accepts: () => true,
    // The one error after which a batch is kept; by the next try the limit may have been raised.
    overLimitCode: 'RATE_LIMITED',
    read: (body) => read(body, call),
    buildResponse: () => ({ status: 200, body: '{"success":true}' }),
  }
}

/** `{"batch":[…]}` or one bare message, on every path. */
function read({ text }: RequestBody, call: Call | undefined): IncomingBatch {
  const body = text()
  const { value: envelope, badNumbers } = parseBody(body)
  if (!isObject(envelope))
    return unreadableBody(body, { code: 'EVENT_NOT_OBJECT', detail: 'is not a JSON object' })
  const common = {
    sentAt: envelope.sentAt,
    apiKey: typeof envelope.writeKey === 'string' ? envelope.writeKey : undefined,
  }
  const { batch } = envelope
  if (!Array.isArray(batch)) {
    const { sentAt: _, ...message } = envelope
    const [numbers = []] = numbersByEvent(badNumbers, undefined, 1)
    return {
      ...common,
      isSingleEvent: true,
      items: [itemOf(message, call, {}, numbers)],
      original: () => body,
      client: clientIn([envelope]),
    }
  }

  const shared = readShared(envelope, batch.length)
  if (!shared.ok) return { ...common, ...unreadableBody(body, shared.fault) }
  const numbers = numbersByIndex(badNumbers, batch.length)
  let texts: string[] | undefined
  return {
    ...common,
    isSingleEvent: false,
    items: batch.map((message, index) => itemOf(message, call, shared.shared, numbers(index))),
    original(index) {
      texts ??= elementTexts(body, 'batch')
      return texts[index] ?? ''
    },
    client: clientIn([envelope, ...batch]),
  }
}

function itemOf(
  message: unknown,
  call: Call | undefined,
  shared: Shared,
  badNumbers: readonly BadNumber[],
): IncomingItem {
  const { pointerMap, ...item } = readMessage(message, call, shared)
  if (!pointerMap) return { ...item, badNumbers }
  return {
    ...item,
    badNumbers: badNumbers.map((number) => ({
      ...number,
      pointer: pointerMap.toEvent(number.pointer),
    })),
    clientPointer: pointerMap.toMessage,
  }
}

/** Each message's own numbers that a double cannot hold, and the first of those in what they share. */
function numbersByIndex(
  badNumbers: readonly BadNumber[],
  count: number,
): (index: number) => readonly BadNumber[] {
  const of = numbersByEvent(badNumbers, '/batch', count)
  const common = badNumbers.find(({ pointer }) => /^\/(context|integrations)\//.test(pointer))
  return (index) => (common ? [common, ...(of[index] ?? [])] : (of[index] ?? []))
}

/** As the libraries name themselves in their messages, e.g. @segment/analytics-node/3.1.0 */
function clientIn(holders: readonly unknown[]): string | undefined {
  for (const holder of holders) {
    const context = isObject(holder) ? holder.context : undefined
    const library = isObject(context) ? context.library : undefined
    if (!isObject(library) || typeof library.name !== 'string') continue
    return typeof library.version === 'string' ? `${library.name}/${library.version}` : library.name
  }
  return undefined
}
