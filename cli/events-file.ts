import { readFileSync } from 'node:fs'
import { uuidV7 } from '../contract/event/uuid.ts'
import { UsageError } from '../core/lib/usage-error.ts'

const FIX_FILE = 'Nothing was sent. Fix the file and send it again.'

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
  return /\.(ndjson|jsonl)$/.test(path) ? parseLines(path, text) : parseDocument(path, text)
}

/** Gives every event an id before the first attempt, so that sending it again changes nothing. */
export function withIds(events: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  return events.map((event) =>
    // The edge ignores a field that is null.
    (event.event_id ?? event.eventId ?? null) === null
      ? { ...event, event_id: uuidV7(Date.now()) }
      : event,
  )
}

function parseLines(path: string, text: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return []
    const where = `${path}, line ${i + 1}`
    return [requireObject(parseJson(line, where), where)]
  })
}

function parseDocument(path: string, text: string): Record<string, unknown>[] {
  const value = parseJson(text, path)
  const events = (value as { events?: unknown } | null)?.events
  const list = Array.isArray(value) ? value : Array.isArray(events) ? events : [value]
  return list.map((event, i) => requireObject(event, `${path}, event ${i}`))
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${where} is not JSON: ${(error as Error).message}`, FIX_FILE)
  }
}

function requireObject(value: unknown, where: string): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new UsageError(`${where} is not a JSON object.`, FIX_FILE)
  return value as Record<string, unknown>
}
