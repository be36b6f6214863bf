import type { Admission } from '../admission/admission.ts'
import type { BeginResult, Lock } from '../admission/idempotency.ts'
import type { RateLimiter, RateLimitResult } from '../admission/rate-limiter.ts'
import type { KeyDirectory } from '../auth/key-directory.ts'

/** Asks the other side, which is `serveGate`. */
function createAsk(url: string) {
  // biome-ignore lint/suspicious/noExplicitAny: what went in as JSON comes out of it
  return async (op: string, args: unknown[], id = ''): Promise<any> => {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify({ op, args, id }) })
    if (!response.ok) throw new Error(await response.text())
    return response.json()
  }
}

/** A directory of keys that lives in another runtime. */
export function createFarDirectory(url: string): KeyDirectory {
  const ask = createAsk(url)
  return { find: async (sha) => (await ask('key', [sha])) ?? undefined }
}

/**
 * A gate that lives in another runtime, asked over HTTP: so one suite, told in Node, holds what
 * happens in workerd and Deno. The far side is `serveGate`.
 */
export function createFarGate(url: string): Admission {
  const ask = createAsk(url)
  const near = (far: Far<RateLimitResult> | undefined): RateLimitResult | undefined =>
    far && { ...far.value, refund: () => ask('refund', [], far.id) }
  function nearClaim(far: Far<BeginResult> | undefined): BeginResult | undefined {
    if (far?.value.kind !== 'acquired') return far?.value
    const does =
      (op: string) =>
      (...args: unknown[]) =>
        ask(op, args, far.id)
    return {
      ...far.value,
      complete: does('complete'),
      saveCheckpoint: does('saveCheckpoint'),
      renew: does('renew'),
      release: does('release'),
    }
  }
  return {
    rateLimiter: { limit: async (...args) => near(await ask('limit', args)) as RateLimitResult },
    idempotency: { begin: async (...args) => nearClaim(await ask('begin', args)) as BeginResult },
    async admit(...args) {
      const { verdict, claim } = await ask('admit', args)
      return { rateLimit: near(verdict), begun: nearClaim(claim) }
    },
  }
}

interface Far<T> {
  id: string
  value: T
}

/** Results and locks by number, until they are asked for; and what is known of keys. */
export function serveGate(
  gate: Admission,
  keys: KeyDirectory,
): (request: Request) => Promise<Response> {
  const held = new Map<string, RateLimitResult | Lock>()
  function far<T extends RateLimitResult | BeginResult>(value: T | undefined) {
    if (!value) return undefined
    const id = crypto.randomUUID()
    if ('refund' in value || value.kind === 'acquired') held.set(id, value)
    return { id, value }
  }
  return async (request) => {
    try {
      const { op, args, id } = await request.json()
      if (op === 'key') return Response.json((await keys.find(args[0])) ?? null)
      if (op === 'limit')
        return Response.json(
          far(
            await (gate.rateLimiter as RateLimiter).limit(
              ...(args as Parameters<RateLimiter['limit']>),
            ),
          ),
        )
      if (op === 'begin')
        return Response.json(
          far(
            await gate.idempotency.begin(
              ...(args as Parameters<Admission['idempotency']['begin']>),
            ),
          ),
        )
      if (op === 'admit') {
        const { rateLimit: verdict, begun: claim } = await gate.admit(
          ...(args as Parameters<Admission['admit']>),
        )
        return Response.json({ verdict: far(verdict), claim: far(claim) })
      }
      const does = held.get(id) as unknown as Record<string, (...args: unknown[]) => Promise<void>>
      await does[op]?.(...args)
      return Response.json(null)
    } catch (error) {
      return new Response(String(error), { status: 500 })
    }
  }
}
