import type { ApiError, Result } from './api/client.ts'

/** How people can sign in, as GET /v1/sign-in/methods has it. */
export interface SignInMethods {
  link: boolean
  passkey: boolean
  providers: { id: string; name: string }[]
}

const METHODS_MS_MAX = 10_000

/** Never throws; undefined where the server does not respond. */
export async function fetchMethods(): Promise<SignInMethods | undefined> {
  try {
    const response = await fetch('/v1/sign-in/methods', {
      signal: AbortSignal.timeout(METHODS_MS_MAX),
    })
    return response.ok ? ((await response.json()) as SignInMethods) : undefined
  } catch {
    return undefined
  }
}

/** Where a person signs in, and comes back to that page. @param path with its query string */
export const signInUrl = (path: string): string => `/login?return=${encodeURIComponent(path)}`

/** The same for somebody who is signed in, and has to show once more who they are. */
export const signInAgainUrl = (path: string): string => `${signInUrl(path)}&again`

const REQUEST_MS_MAX = 15_000

/**
 * Sends a request about sign-in (docs/sign-in.md) once. Never throws.
 * @param body undefined: a GET or DELETE
 */
export async function requestSignIn<T>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Result<T>> {
  try {
    const response = await fetch(path, {
      method,
      // Without this header core refuses changes: no other page can send them in our name.
      headers: { 'content-type': 'application/json', 'x-sluice-sign-in': '1' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    })
    const text = await response.text()
    const parsed = text === '' ? undefined : JSON.parse(text)
    if (response.ok) return { ok: true, data: parsed as T }
    return { ok: false, error: errorOf(response.status, parsed) }
  } catch {
    const message = 'Sluice cannot be reached. Nothing was changed.'
    return { ok: false, error: { kind: 'unreachable', message } }
  }
}

function errorOf(status: number, problem: Partial<Record<string, unknown>>): ApiError {
  const advice = String(problem?.detail ?? problem?.title ?? 'The request failed.')
  const kind = status === 401 ? 'signed-out' : status === 403 ? 'forbidden' : 'refused'
  return { kind, message: advice, refusal: { code: String(problem?.code), advice } }
}
