import type { Admission } from '../admission/admission.ts'
import type { BeginResult, Lock } from '../admission/idempotency.ts'
import type { RateLimiter, RateLimitResult } from '../admission/rate-limiter.ts'
import type { KeyDirectory } from '../auth/key-directory.ts'

/** Calls `serveAdmission` in another runtime. */
function createCall(url: string) {
  // biome-ignore lint/suspicious/noExplicitAny: the JSON result of any operation
  return async (op: string, args: unknown[], id = ''): Promise<any> => {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify({ op, args, id }) })
    if (!response.ok) throw new Error(await response.text())
    return response.json()
  }
}

/** A key directory that runs in another runtime. */
export function createRemoteKeyDirectory(url: string): KeyDirectory {
  const call = createCall(url)
  return { find: async (sha) => (await call('key', [sha])) ?? undefined }
}

/**
 * An admission that runs in another runtime, called over HTTP, so that one suite in Node tests the
 * implementation in workerd and Deno. The other side is `serveAdmission`.
 */
export function createRemoteAdmission(url: string): Admission {
  const call = createCall(url)
  const toRateLimit = (remote: Remote<RateLimitResult> | undefined): RateLimitResult | undefined =>
    remote && { ...remote.value, refund: () => call('refund', [], remote.id) }
  function toBeginResult(remote: Remote<BeginResult> | undefined): BeginResult | undefined {
    if (remote?.value.kind !== 'acquired') return remote?.value
    const method =
      (op: string) =>
      (...args: unknown[]) =>
        call(op, args, remote.id)
    return {
      ...remote.value,
      complete: method('complete'),
      saveCheckpoint: method('saveCheckpoint'),
      renew: method('renew'),
      release: method('release'),
    }
  }
  return {
    rateLimiter: {
      limit: async (...args) => toRateLimit(await call('limit', args)) as RateLimitResult,
    },
    idempotency: {
      begin: async (...args) => toBeginResult(await call('begin', args)) as BeginResult,
    },
    async admit(...args) {
      const { rateLimit, begun } = await call('admit', args)
      return { rateLimit: toRateLimit(rateLimit), begun: toBeginResult(begun) }
    },
  }
}

interface Remote<T> {
  id: string
  value: T
}

/** Serves admission and key directory; results and locks are held by id until they are called. */
export function serveAdmission(
  admission: Admission,
  keys: KeyDirectory,
): (request: Request) => Promise<Response> {
  const handles = new Map<string, RateLimitResult | Lock>()
  function toRemote<T extends RateLimitResult | BeginResult>(value: T | undefined) {
    if (!value) return undefined
    const id = crypto.randomUUID()
    if ('refund' in value || value.kind === 'acquired') handles.set(id, value)
    return { id, value }
  }
  async function run(op: string, args: unknown[], id: string): Promise<unknown> {
    if (op === 'key') return (await keys.find(args[0] as string)) ?? null
    if (op === 'limit') {
      const limiter = admission.rateLimiter as RateLimiter
      return toRemote(await limiter.limit(...(args as Parameters<RateLimiter['limit']>)))
    }
    if (op === 'begin') {
      type Arguments = Parameters<Admission['idempotency']['begin']>
      return toRemote(await admission.idempotency.begin(...(args as Arguments)))
    }
    if (op === 'admit') {
      const result = await admission.admit(...(args as Parameters<Admission['admit']>))
      return { rateLimit: toRemote(result.rateLimit), begun: toRemote(result.begun) }
    }
    const handle = handles.get(id) as unknown as Record<
      string,
      (...args: unknown[]) => Promise<void>
    >
    await handle[op]?.(...args)
    return null
  }
  return async (request) => {
    try {
      const { op, args, id } = await request.json()
      return Response.json(await run(op, args, id))
    } catch (error) {
      return new Response(String(error), { status: 500 })
    }
  }
}
