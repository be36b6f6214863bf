import { pointerTo } from '../../../contract/json/json.ts'
import type { Fault } from '../ingest-format.ts'

/**
 * The attributes in `ce-*` headers, as members of the event's JSON form; `datacontenttype`
 * is the Content-Type. Values as in the HTTP Protocol Binding 1.0.2 §3.1.3.2: quoted strings are
 * unquoted (older senders), then one round of percent-decoding.
 */
export function attributesInHeaders(headers: Headers): {
  sent: Record<string, unknown>
  faults: Fault[]
} {
  const sent: Record<string, unknown> = {}
  const faults: Fault[] = []
  const contentType = headers.get('content-type') || undefined
  if (contentType !== undefined) sent.datacontenttype = contentType
  for (const [header, value] of headers) {
    if (!header.startsWith('ce-')) continue
    const name = header.slice(3)
    const fault = (detail: string) =>
      faults.push({ code: 'ATTRIBUTE_INVALID', pointer: pointerTo([name]), detail })
    if (name === 'datacontenttype') {
      if (value !== contentType) fault('contradicts the header Content-Type, which carries it')
    } else if (name === 'data') fault('is the body, not a header')
    else {
      const read = decode(value)
      if (read === undefined)
        fault('must be visible ASCII; send anything else as UTF-8, percent-encoded')
      else sent[name] = read
    }
  }
  return { sent, faults }
}

/** undefined for what is ambiguous: bytes that are not ASCII, escapes that are not UTF-8. */
function decode(value: string): string | undefined {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value)?.[1]
  const text = quoted?.replace(/\\(.)/g, '$1') ?? value
  if (/[^\x20-\x7e]/.test(text)) return undefined
  try {
    // A percent sign that begins no escape stands for itself: some senders do not encode at all.
    return text.replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent)
  } catch {
    return undefined
  }
}
