import type { Admission } from '../admission/admission.ts'
import type { BeginResult, Lock } from '../admission/idempotency.ts'
import type { RateLimiter, RateLimitResult } from '../admission/rate-limiter.ts'
import type { KeyDirectory } from '../auth/key-directory.ts'

/** Calls `serveAdmission` in another runtime. */
function createCall(url: string) {
  // biome-ignore lint/suspicious/noExplicitAny: what went in as JSON comes out of it
  return async (op: string, args: unknown[], id = ''): Promise<any> => {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify({ op, args, id }) })
    if (!response.ok) throw new Error(await response.text())
    return response.json()
  }
}

/** A key directory that runs in another runtime. */
export function createRemoteKeyDirectory(url: string): KeyDirectory {
  const call = createCall(url)
  return { ask: async (sha) => (await call('key', [sha])) ?? undefined }
}

/**
 * An admission that runs in another runtime, called over HTTP, so that one suite in Node tests the
 * implementation in workerd and Deno. The other side is `serveAdmission`.
 */
export function createRemoteAdmission(url: string): Gate {
  const call = createCall(url)
  const toLocalResult = (remote: Remote<Verdict> | undefined): Verdict | undefined =>
    remote && { ...remote.value, giveBack: () => call('giveBack', [], remote.id) }
  function toLocalClaim(remote: Remote<Claim> | undefined): Claim | undefined {
    if (remote?.value.is !== 'ours') return remote?.value
    const method =
      (op: string) =>
      (...args: unknown[]) =>
        call(op, args, remote.id)
    return {
      ...remote.value,
      finish: method('finish'),
      keep: method('keep'),
      renew: method('renew'),
      release: method('release'),
    }
  }
  return {
    limiter: { take: async (...args) => toLocalResult(await call('take', args)) as Verdict },
    idempotency: { claim: async (...args) => toLocalClaim(await call('claim', args)) as Claim },
    async enter(...args) {
      const { verdict, claim } = await call('enter', args)
      return { verdict: toLocalResult(verdict), claim: toLocalClaim(claim) }
    },
  }
}

interface Remote<T> {
  id: string
  value: T
}

/** Serves admission and key directory; results and leases are held by id until they are called. */
export function serveAdmission(
  gate: Gate,
  keys: KeyDirectory,
): (request: Request) => Promise<Response> {
  const handles = new Map<string, Verdict | Lease>()
  function toRemote<T extends Verdict | Claim>(value: T | undefined) {
    if (!value) return undefined
    const id = crypto.randomUUID()
    if ('giveBack' in value || value.is === 'ours') handles.set(id, value)
    return { id, value }
  }
  return async (request) => {
    try {
      const { op, args, id } = await request.json()
      if (op === 'key') return Response.json((await keys.find(args[0])) ?? null)
      if (op === 'limit')
        return Response.json(
          toRemote(await (gate.limiter as Limiter).take(...(args as Parameters<Limiter['take']>))),
        )
      if (op === 'begin')
        return Response.json(
          toRemote(
            await gate.idempotency.claim(...(args as Parameters<Gate['idempotency']['claim']>)),
          ),
        )
      if (op === 'enter') {
        const { verdict, claim } = await gate.enter(...(args as Parameters<Gate['enter']>))
        return Response.json({ verdict: toRemote(verdict), claim: toRemote(claim) })
      }
      const handle = handles.get(id) as unknown as Record<
        string,
        (...args: unknown[]) => Promise<void>
      >
      await handle[op]?.(...args)
      return Response.json(null)
    } catch (error) {
      return new Response(String(error), { status: 500 })
    }
  }
}
