import type { Context } from 'hono'
import { parseExactly } from '../../../contract/json/exact-parse.ts'
import { ApiError } from '../../lib/api-error.ts'
import { withTimeout } from '../../lib/timeout.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'

const BODY_BYTES_MAX = QUERY_LIMITS.bodyBytesMax / 2
const BODY_MS_MAX = 10_000

/** The body of a request as JSON. @throws MEDIA_TYPE_UNSUPPORTED, BODY_TOO_LARGE, BAD_USER_INPUT */
export async function readJson(c: Context): Promise<unknown> {
  if (!/^application\/json\s*(?:;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new ApiError('MEDIA_TYPE_UNSUPPORTED', 'Send the header Content-Type: application/json.')
  const text = await withTimeout(BODY_MS_MAX, 'the body', readText(c.req.raw.body))
  try {
    return parseExactly(text)
  } catch {
    throw new ApiError('BAD_USER_INPUT', 'The body is not valid JSON.', { pointer: '' })
  }
}

async function readText(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX)
      throw new ApiError('BODY_TOO_LARGE', `The body is larger than ${BODY_BYTES_MAX} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
