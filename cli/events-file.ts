import { readFileSync } from 'node:fs'
import { uuidV7 } from '../contract/event/uuid.ts'
import { UsageError } from '../core/lib/usage-error.ts'

/** Events from a file: one a line (.ndjson, .jsonl), or JSON: one object, an array, `{"events":[…]}`. */
export function readEventsFile(path: string): Record<string, unknown>[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(
      `${path} cannot be read: ${(error as Error).message}`,
      'Give the path of a .json or .ndjson file.',
    )
  }
  return /\.(ndjson|jsonl)$/.test(path) ? readLines(path, text) : readWhole(path, text)
}

/** Every event gets its id before the first try, so that sending it again does no harm. */
export function withIds(events: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  return events.map((event) =>
    // To the edge a field that is null was not sent.
    (event.event_id ?? event.eventId ?? null) === null
      ? { ...event, event_id: uuidV7(Date.now()) }
      : event,
  )
}

function readLines(path: string, text: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return []
    return [object(parse(line, `${path}, line ${i + 1}`), `${path}, line ${i + 1}`)]
  })
}

function readWhole(path: string, text: string): Record<string, unknown>[] {
  const value = parse(text, path)
  const list = Array.isArray(value)
    ? value
    : Array.isArray((value as { events?: unknown })?.events)
      ? (value as { events: unknown[] }).events
      : [value]
  return list.map((event, i) => object(event, `${path}, event ${i}`))
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(
      `${where} is not JSON: ${(error as Error).message}`,
      'Nothing was sent. Mend the file and send it again.',
    )
  }
}

function object(value: unknown, where: string): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new UsageError(
      `${where} is no JSON object.`,
      'Nothing was sent. Mend the file and send it again.',
    )
  return value as Record<string, unknown>
}
