import type { Gate } from '../admission/admission.ts'
import type { Claim, Lease } from '../admission/idempotency.ts'
import type { Limiter, Verdict } from '../admission/rate-limiter.ts'
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
  return { ask: async (sha) => (await ask('key', [sha])) ?? undefined }
}

/**
 * A gate that lives in another runtime, asked over HTTP: so one suite, told in Node, holds what
 * happens in workerd and Deno. The far side is `serveGate`.
 */
export function createFarGate(url: string): Gate {
  const ask = createAsk(url)
  const near = (far: Far<Verdict> | undefined): Verdict | undefined =>
    far && { ...far.value, giveBack: () => ask('giveBack', [], far.id) }
  function nearClaim(far: Far<Claim> | undefined): Claim | undefined {
    if (far?.value.is !== 'ours') return far?.value
    const does =
      (op: string) =>
      (...args: unknown[]) =>
        ask(op, args, far.id)
    return {
      ...far.value,
      finish: does('finish'),
      keep: does('keep'),
      renew: does('renew'),
      release: does('release'),
    }
  }
  return {
    limiter: { take: async (...args) => near(await ask('take', args)) as Verdict },
    idempotency: { claim: async (...args) => nearClaim(await ask('claim', args)) as Claim },
    async enter(...args) {
      const { verdict, claim } = await ask('enter', args)
      return { verdict: near(verdict), claim: nearClaim(claim) }
    },
  }
}

interface Far<T> {
  id: string
  value: T
}

/** Verdicts and leases by number, until they are asked for; and what is known of keys. */
export function serveGate(gate: Gate, keys: KeyDirectory): (request: Request) => Promise<Response> {
  const held = new Map<string, Verdict | Lease>()
  function far<T extends Verdict | Claim>(value: T | undefined) {
    if (!value) return undefined
    const id = crypto.randomUUID()
    if ('giveBack' in value || value.is === 'ours') held.set(id, value)
    return { id, value }
  }
  return async (request) => {
    try {
      const { op, args, id } = await request.json()
      if (op === 'key') return Response.json((await keys.ask(args[0])) ?? null)
      if (op === 'take')
        return Response.json(
          far(await (gate.limiter as Limiter).take(...(args as Parameters<Limiter['take']>))),
        )
      if (op === 'claim')
        return Response.json(
          far(await gate.idempotency.claim(...(args as Parameters<Gate['idempotency']['claim']>))),
        )
      if (op === 'enter') {
        const { verdict, claim } = await gate.enter(...(args as Parameters<Gate['enter']>))
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
