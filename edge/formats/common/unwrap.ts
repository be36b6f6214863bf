import { LIMITS } from '../../../contract/limits.ts'
import { createInflater } from '../../http/inflate.ts'
import type { Bytes } from '../../lib/bytes.ts'
import type { OnInflated } from '../ingest-format.ts'

/**
 * A body as PostHog's libraries wrap it: a form whose field `data` holds JSON or base64, base64 alone,
 * gzip without Content-Encoding, or one within the other. The first bytes decide, as with PostHog: the
 * query's `compression` is often missing or wrong.
 * @throws INVALID_ENCODING, BODY_TOO_LARGE, what `onInflated` throws
 */
export async function unwrap(bytes: Bytes, onInflated: OnInflated = () => {}): Promise<Bytes> {
  return isGzip(bytes) ? inflate(bytes, onInflated) : unwrapText(bytes, onInflated)
}

/** Media types that PostHog's libraries send, and `curl -d` by default. */
export function acceptsMediaType(mediaType: string): boolean {
  return TYPES.has(mediaType)
}

const TYPES = new Set([
  '',
  'application/gzip',
  'application/json',
  'application/octet-stream',
  'application/x-www-form-urlencoded',
  'text/plain',
])

async function unwrapText(bytes: Bytes, onInflated: OnInflated): Promise<Bytes> {
  // Most bodies are JSON already: only their first byte is checked.
  if (beginsJson(bytes)) return bytes
  const text = decode(bytes)
  if (text === undefined) return bytes
  const data = isForm(text) ? new URLSearchParams(text).get('data') : text
  if (data === null) return bytes
  const json = new TextEncoder().encode(data)
  if (beginsJson(json)) return json
  const inner = fromBase64(data)
  if (inner && isGzip(inner)) return inflate(inner, onInflated)
  // Any word of four letters is base64; without JSON in it the body stays as it was sent.
  return inner && beginsJson(inner) ? inner : bytes
}

/** A field `data`, first or after others. Base64 contains no `&`. */
export function isForm(text: string): boolean {
  return text.startsWith('data=') || text.includes('&data=')
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function decode(bytes: Bytes): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined // neither a form nor base64; reading it gives the error
  }
}

/** With `{` or `[`, after blanks and a byte order mark. */
function beginsJson(bytes: Bytes): boolean {
  const first = bytes.find((byte) => byte > 0x20 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf)
  return first === 0x7b || first === 0x5b
}

function isGzip(bytes: Bytes): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

async function inflate(bytes: Bytes, onInflated: OnInflated): Promise<Bytes> {
  const inflater = createInflater('gzip', LIMITS.bodyBytesMax, onInflated)
  try {
    await inflater.write(bytes)
    return await inflater.end()
  } catch (error) {
    inflater.abort()
    throw error
  }
}

/** A form turns unescaped plus signs of base64 into blanks; both alphabets are read. */
export function fromBase64(text: string): Bytes | undefined {
  const plain = text.trim().replaceAll(' ', '+').replaceAll('-', '+').replaceAll('_', '/')
  let binary: string
  try {
    binary = atob(plain)
  } catch {
    return undefined
  }
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}
