import type { Context } from 'hono'
import { ApiError } from '../../lib/api-error.ts'
import { pause } from '../../lib/pause.ts'
import type { ResultBudget } from '../operations/result-budget.ts'
import { toApiError } from '../to-api-error.ts'
import { headersOf, linesOf, type TableType } from './formats.ts'
import type { AcquirePages } from './page-limit.ts'

export interface Page {
  rows: readonly Record<string, unknown>[]
  hasNext: boolean
}

export interface StreamOptions {
  type: TableType
  clientId: string
  /** Called again once the client has read what came before. */
  nextPage: () => Promise<Page>
}

export interface RowStreamsOptions {
  budget: Pick<ResultBudget, 'waitMs'>
  acquire: AcquirePages
  /** Of one response; a client that stops reading holds a page in memory for no longer. */
  streamMsMax: number
}

/** Responds with pages of rows, one after the other. */
export type RespondWithStream = (c: Context, options: StreamOptions) => Promise<Response>

/**
 * CSV and NDJSON of several pages, read one ahead of the client, and none after it has left. What fails before the first row is a problem; later the connection ends without the last chunk, so that
 * no client takes a part for the whole.
 */
export function createRowStreams({
  budget,
  acquire,
  streamMsMax,
}: RowStreamsOptions): RespondWithStream {
  return async function respondWithStream(c, { type, clientId, nextPage }) {
    const release = acquire(clientId)
    const { signal } = c.req.raw
    let page: Page
    try {
      page = await nextPage()
    } catch (error) {
      release()
      throw error
    }
    let timer: NodeJS.Timeout | undefined
    const end = () => {
      clearTimeout(timer)
      release()
    }
    let hasHeader = true
    const source: UnderlyingDefaultSource<Uint8Array> = {
      start(controller) {
        timer = setTimeout(() => {
          end()
          controller.error(new ApiError('QUERY_TOO_SLOW'))
        }, streamMsMax)
      },
      async pull(controller) {
        try {
          const text = linesOf(type, page.rows, { hasHeader })
          hasHeader = false
          if (text !== '') controller.enqueue(encoder.encode(text))
          if (!page.hasNext) {
            controller.close()
            return end()
          }
          await pause(budget.waitMs(clientId), signal)
          page = await nextPage()
        } catch (error) {
          end()
          // The server prints it: what a client may see, and nothing more.
          controller.error(toApiError(error) ?? new ApiError('INTERNAL_SERVER_ERROR'))
        }
      },
      cancel: end,
    }
    const headers = {
      ...headersOf(type, c.req.path),
      'Cache-Control': 'no-store',
      Vary: 'Accept, Authorization, X-API-Key, Cookie',
    }
    if (c.req.method === 'HEAD') {
      end()
      return c.body(null, 200, headers)
    }
    // Of a client that leaves before the body is read nothing cancels the stream.
    signal.addEventListener('abort', end, { once: true })
    // Nothing is read before the client asks: then one page ahead of it.
    return c.body(new ReadableStream(source, { highWaterMark: 0 }), 200, headers)
  }
}

const encoder = new TextEncoder()
