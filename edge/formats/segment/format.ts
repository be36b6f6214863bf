import { isObject } from '../../../contract/json/is-object.ts'
import { type BadNumber, parseJson } from '../../../contract/json/json.ts'
import { elementTexts } from '../../../contract/json/slices.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import type {
  Fault,
  IncomingBatch,
  IncomingItem,
  IngestFormat,
  RequestBody,
} from '../ingest-format.ts'
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
    // The one error after which a batch is kept; by the next try the limit may have been raised.
    overLimitCode: 'RATE_LIMITED',
    read: (body) => read(body, call),
    buildResponse: () => ({ status: 200, body: '{"success":true}' }),
  }
}

/** `{"batch":[…]}` or one bare message, on every path. */
function read({ text }: RequestBody, call: Call | undefined): IncomingBatch {
  const body = text()
  const parsed = parseJson(body)
  if (!parsed.ok) throw new HttpProblem('INVALID_JSON', { detail: parsed.detail })
  const { value: envelope, badNumbers } = parsed
  if (!isObject(envelope))
    return unreadableBody(body, { code: 'EVENT_NOT_OBJECT', detail: 'is not a JSON object' })
  const common = {
    sentAt: envelope.sentAt,
    apiKey: typeof envelope.writeKey === 'string' ? envelope.writeKey : undefined,
  }
  const { batch } = envelope
  if (!Array.isArray(batch)) {
    const { sentAt: _, ...message } = envelope
    return {
      ...common,
      isSingleEvent: true,
      items: [itemOf(message, call, {}, badNumbers)],
      original: () => body,
      client: clientIn([envelope]),
    }
  }

  const shared = readShared(envelope, batch.length)
  if (!shared.ok) return { ...common, ...unreadableBody(body, shared.fault) }
  const numbers = numbersByIndex(badNumbers)
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
function numbersByIndex(badNumbers: readonly BadNumber[]): (index: number) => BadNumber[] {
  const of = new Map<string, BadNumber[]>()
  const common = badNumbers.find(({ pointer }) => /^\/(context|integrations)\//.test(pointer))
  for (const { pointer, written } of badNumbers) {
    const [, index, rest] = /^\/batch\/(\d+)(.*)$/s.exec(pointer) ?? []
    if (index === undefined) continue
    const number = { pointer: rest as string, written }
    const others = of.get(index)
    if (others) others.push(number)
    else of.set(index, [number])
  }
  return (index) => {
    const own = of.get(String(index)) ?? []
    return common ? [common, ...own] : own
  }
}

/** A body that cannot be split is one dead letter, since the libraries drop on a 4xx. */
function unreadableBody(body: string, faults: Fault): IncomingBatch {
  return {
    isSingleEvent: true,
    items: [{ raw: undefined, badNumbers: [], faults }],
    original: () => body,
  }
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
