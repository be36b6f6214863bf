import { readBatch } from '../../contract/event/batch.ts'
import { readTime } from '../../contract/event/time.ts'
import { elementTexts } from '../../contract/json/slices.ts'
import { Refused } from '../http/http-problem.ts'
import type { Body, Incoming, Outcome, Way } from './ingest-format.ts'
import { answerFor } from './json-response.ts'

/** Our own: one event, an array, or `{"events":[…]}`. */
export const native: Way = {
  route: 'events',
  told: true,
  read: readNative,
  answer: (outcome) => ({ status: 202, body: JSON.stringify(answerFor(outcome)) }),
}

/**
 * The paths of the four systems that came before. Each client finds its own words at the top of the
 * answer; ours stand behind them.
 */
export const classic: Way = {
  ...native,
  route: 'classic',
  answer: (outcome) => ({ status: 202, body: JSON.stringify(classicAnswer(outcome)) }),
}

function readNative({ text }: Body): Incoming {
  const body = text()
  const read = readBatch(body)
  if (!read.ok) throw new Refused(read.code, { detail: read.detail })
  const { isSingleEvent: single, items, member, sentAt } = read
  if (sentAt !== undefined) {
    const time = readTime(sentAt)
    if (!time.ok) throw new Refused('SENT_AT_INVALID', { detail: `sent_at ${time.detail}.` })
  }
  let texts: string[] | undefined
  return {
    single,
    items,
    sentAt,
    wellFormed: !body.includes('\\u'),
    original(index) {
      if (single) return body
      texts ??= elementTexts(body, member)
      return texts[index] ?? ''
    },
  }
}

/**
 * `{status, event_id}` and `{status, request_id, duplicate}` for one event, `{status, count, event_ids}`
 * for several.
 */
function classicAnswer(outcome: Outcome) {
  const { event_id, status: _, duplicate, ...ours } = answerFor(outcome)
  const own = outcome.incoming.single
    ? { status: 'accepted', event_id, duplicate }
    : {
        status: 'accepted',
        count: outcome.accepted.length,
        event_ids: outcome.accepted.map(({ event }) => event.event_id),
      }
  return { ...own, ...ours }
}
