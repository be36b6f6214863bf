import type { Example, Schema } from './operation.ts'
import { BEARER, GENERATED_ID, REQUEST_ID } from './responses.ts'

const lines: Schema = {
  type: 'string',
  description: 'One event per line; blank lines are skipped.',
}

/** Lines share the path of our own events; the Content-Type tells them apart. */
export const ndjsonBodies: Readonly<Record<string, Schema>> = {
  'application/x-ndjson': lines,
  'application/ndjson': lines,
  'application/jsonl': lines,
}

/** For clients that accept it, in response to a body of lines. */
export const resultLines: Schema = {
  type: 'string',
  description:
    'The outcome of each line, as soon as it is known; the last one is `{"summary":…}`, or `{"problem":…}` with what ended it and how to resume.',
}

const head = { ...BEARER, 'Content-Type': 'application/x-ndjson' }
const good = ['{"event":"signup","user_id":"u1"}', '{"event":"order","user_id":"u1","value":12}']
const broken = {
  pointer: '',
  code: 'INVALID_JSON',
  detail: 'the line is not valid JSON: unexpected text at position 17',
}

export const ndjsonExamples: readonly Example[] = [
  {
    title: 'Three lines, one of them invalid',
    group: 'ndjson',
    headers: head,
    body: text(good[0], '{"event":"signup"', good[1]),
    status: 202,
    response: {
      request_id: REQUEST_ID,
      accepted: 2,
      rejected: 1,
      lines: 3,
      events: [published(0), published(2)],
      errors: [{ index: 1, ...broken }],
    },
  },
  {
    title: 'The same, with a result per line',
    group: 'ndjson',
    headers: { ...head, Accept: 'application/x-ndjson' },
    body: text(good[0], '{"event":"signup"', good[1]),
    status: 202,
    response: text(
      JSON.stringify(published(0)),
      JSON.stringify({ index: 1, status: 'rejected', errors: [broken] }),
      JSON.stringify(published(2)),
      JSON.stringify({
        summary: { request_id: REQUEST_ID, accepted: 2, rejected: 1, lines: 3 },
      }),
    ),
  },
]

function published(index: number) {
  return { index, event_id: GENERATED_ID, status: 'accepted', partition: 2, offset: 1042 + index }
}

function text(...lines: (string | undefined)[]): string {
  return lines.map((line) => `${line}\n`).join('')
}
