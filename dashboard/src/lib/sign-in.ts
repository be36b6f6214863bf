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
