import type { ExecutionResult, GraphQLFormattedError } from 'graphql'
import type { SubscribePayload } from 'graphql-ws'
import { parseExactly } from '../../../contract/json/exact-parse.ts'
import type { Sender } from '../graphql/context.ts'
import type { GraphQLServer } from '../graphql/server.ts'

/** An operation that was refused before it was executed, or ended: the protocol has a message of its own for that. */
export class OperationError extends Error {
  override name = 'OperationError'
  readonly errors: readonly GraphQLFormattedError[]

  constructor(errors: readonly GraphQLFormattedError[]) {
    super('the operation failed')
    this.errors = errors
  }
}

/**
 * Executes an operation by the path of SSE, so that a WebSocket has the same checks, limits, cache and error messages.
 * Reads one result ahead at most: a slow client holds one, not a queue.
 */
export function executeOperation(
  graphql: Pick<GraphQLServer, 'execute'>,
  sender: Sender,
  { query, variables, operationName, extensions }: SubscribePayload,
): AsyncGenerator<ExecutionResult, void> {
  const ended = new AbortController()
  const request = new Request('http://localhost/graphql', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'text/event-stream',
      'x-graphql-yoga-csrf': 'graphql-ws',
    },
    body: JSON.stringify({ query, variables, operationName, extensions }),
    signal: ended.signal,
  })
  let frames: AsyncGenerator<string> | undefined

  /** With the rights of this moment: a connection lasts for days. */
  async function execute(): Promise<Response> {
    const { heldShare } = sender
    const current = await sender.reload()
    // Begun after its end, it would never be ended.
    ended.signal.throwIfAborted()
    return graphql.execute(request, { ...current, ...(heldShare && { heldShare }) })
  }

  async function next(): Promise<IteratorResult<ExecutionResult, void>> {
    if (ended.signal.aborted) return DONE
    try {
      frames ??= readFrames(await execute(), ended.signal)
      const { value, done } = await frames.next()
      if (done) return DONE
      const result = parseExactly(value) as ExecutionResult
      if (result.errors && result.data === undefined) throw new OperationError(result.errors)
      return { done: false, value: result }
    } catch (error) {
      if (ended.signal.aborted) return DONE
      throw error
    }
  }

  async function end(): Promise<IteratorResult<ExecutionResult, void>> {
    ended.abort()
    return DONE
  }

  // An object instead of a generator: `return()` works while `next()` is waiting.
  return {
    next,
    return: end,
    throw: end,
    [Symbol.asyncIterator]() {
      return this
    },
    [Symbol.asyncDispose]: async () => {
      await end()
    },
  }
}

const DONE = { done: true, value: undefined } as const

/** The data of each event `next`; a comment keeps the connection alive and is skipped. */
async function* readFrames(response: Response, signal: AbortSignal): AsyncGenerator<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (!reader) return
  const cancel = () => void reader.cancel().catch(() => {})
  signal.addEventListener('abort', cancel, { once: true })
  let text = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      const frames = (text + value).split('\n\n')
      text = frames.pop() ?? ''
      for (const frame of frames) {
        const [event, data] = frame.split('\n')
        if (event === 'event: complete') return
        if (data?.startsWith('data: ')) yield data.slice('data: '.length)
      }
    }
  } finally {
    signal.removeEventListener('abort', cancel)
    cancel()
  }
}
