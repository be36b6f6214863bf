import { isObject } from '../../../contract/json/is-object.ts'
import type { IngestResult, ResponseSpec } from '../ingest-format.ts'

/** `1`, or JSON for clients that ask for it with `verbose=1`. */
export function trackResponse(isVerbose: boolean): ResponseSpec {
  return isVerbose
    ? { status: 200, body: '{"error":null,"status":1}' }
    : { status: 200, body: '1', type: 'text/plain' }
}

/**
 * What `/import` says of a batch. With `strict=1` its clients read which records failed from a 400; these are
 * dead letters all the same, and the others are imported.
 */
export function importResponse(result: IngestResult, isStrict: boolean): ResponseSpec {
  const { accepted, deadLetters, incoming } = result
  if (!isStrict || deadLetters.length === 0) {
    const imported = isStrict ? accepted.length : incoming.items.length
    const body = { code: 200, num_records_imported: imported, status: 'OK' }
    return { status: 200, body: JSON.stringify(body) }
  }
  const failed_records = deadLetters.slice(0, FAILED_MAX).map(({ index, errors }) => ({
    index,
    insert_id: insertIdOf(incoming.items[index]?.raw),
    field: (errors[0]?.pointer ?? '').split('/').at(-1) ?? '',
    message: errors.map(({ code, pointer, detail }) => `${code} ${pointer} ${detail}`).join('; '),
  }))
  const body = {
    code: 400,
    error: 'some data points in the request failed validation',
    failed_records,
    num_records_imported: accepted.length,
    status: 'Bad Request',
  }
  return { status: 400, body: JSON.stringify(body) }
}

const FAILED_MAX = 1_000

function insertIdOf(raw: unknown): string | undefined {
  return isObject(raw) && typeof raw.event_id === 'string' ? raw.event_id : undefined
}
