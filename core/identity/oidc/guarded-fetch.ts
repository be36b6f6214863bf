/** The provider did not respond, or not in a form that can be used; the same sign-in may succeed later. */
export class ProviderUnavailableError extends Error {
  override name = 'ProviderUnavailableError'
}

export interface GuardedFetchLimits {
  /** For the whole response. */
  msMax: number
  /** Unpacked. */
  bytesMax: number
}

/** Metadata and keys of large providers have about 10 KB. */
export const PROVIDER_LIMITS: GuardedFetchLimits = { msMax: 5_000, bytesMax: 256 * 1024 }

/** What openid-client and jose need of fetch. */
export type GuardedFetch = (url: string, init: object) => Promise<Response>

/**
 * fetch for what a provider serves: with one deadline, a limit of bytes, and no redirects, which could lead to any host
 * that core reaches.
 * @throws ProviderUnavailableError
 */
export function createGuardedFetch(limits: GuardedFetchLimits = PROVIDER_LIMITS): GuardedFetch {
  return async (url, init: RequestInit) => {
    const deadline = AbortSignal.timeout(limits.msMax)
    const signal = init.signal ? AbortSignal.any([deadline, init.signal]) : deadline
    let response: Response
    let body: Uint8Array<ArrayBuffer>
    try {
      response = await fetch(url, { ...init, redirect: 'manual', signal })
      body = await readAtMost(response, limits.bytesMax)
    } catch (cause) {
      throw new ProviderUnavailableError(`${hostOf(url)}: ${reasonOf(cause)}`, { cause })
    }
    const { status, headers } = response
    if (status >= 300 && status < 400)
      throw new ProviderUnavailableError(`${hostOf(url)} redirects, which is not followed`)
    if (status >= 500)
      throw new ProviderUnavailableError(`${hostOf(url)} responded with status ${status}`)
    return new Response(body.length === 0 ? null : body, { status, headers })
  }
}

async function readAtMost(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop cancels the body.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new Error(`the response has more than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** The path may hold what the provider considers secret. */
function hostOf(url: string): string {
  return new URL(url).host
}

function reasonOf(cause: unknown): string {
  const { name, message, cause: inner } = cause as Error
  if (name === 'TimeoutError' || name === 'AbortError') return 'no response in time'
  const { code } = (inner ?? {}) as { code?: string }
  return code ?? message
}
