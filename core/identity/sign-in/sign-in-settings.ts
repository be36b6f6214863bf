/** One provider of OpenID Connect by which people sign in. */
export interface ProviderSettings {
  /** In paths: lower-case letters, digits and dashes. */
  id: string
  /** For people. */
  name: string
  /** Compared exactly with what the provider calls itself. */
  issuer: string
  clientId: string
  clientSecret: string
  /**
   * Whether every e-mail address of this provider counts as verified. Only for providers where an administrator assigns
   * them and nobody changes their own.
   */
  trustsEmail: boolean
}

/** Somebody who is an operator from the first sign-in with this verified address at this provider. */
export interface OperatorSetting {
  issuer: string
  /** In lower case. */
  email: string
}

/** How people may sign in. */
export interface SignInSettings {
  /** Whether links of `sluice status` sign in. */
  loginLink: boolean
  /** Whether people may accept invitations and sign in by passkey. */
  passkeys: boolean
  /** In the order in which the page shows them. */
  providers: readonly ProviderSettings[]
  operators: readonly OperatorSetting[]
  /** Whom people ask who may not sign in, such as an e-mail address. */
  contact: string | undefined
}

export const DEFAULT_SIGN_IN: SignInSettings = {
  loginLink: true,
  passkeys: true,
  providers: [],
  operators: [],
  contact: undefined,
}
