import { readFileSync } from 'node:fs'
import { isCleartextBeyondPrivate } from '../contract/cleartext.ts'
import { readEmail } from './identity/people/people.ts'
import type {
  OperatorSetting,
  ProviderSettings,
  SignInSettings,
} from './identity/sign-in/sign-in-settings.ts'
import { UsageError } from './lib/usage-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Of each provider: SLUICE_OIDC_<ID>_… */
export const PROVIDER_VARIABLES = [
  'ISSUER',
  'CLIENT_ID',
  'CLIENT_SECRET',
  'CLIENT_SECRET_FILE',
  'NAME',
  'TRUST_EMAIL',
] as const

const PRESETS: Record<string, { name: string; issuer: string }> = {
  google: { name: 'Google', issuer: 'https://accounts.google.com' },
}
const PROVIDERS_MAX = 20
const CONTACT_CHARS_MAX = 200

/** How people sign in, from the environment. @throws UsageError that names the variable */
export function readSignIn(env: Environment): SignInSettings {
  const providers = readProviders(env)
  return {
    loginLink: readBoolean(env, 'SLUICE_SIGN_IN_LINKS') ?? true,
    // Whoever has a provider decides there who may sign in, and by what.
    passkeys: readBoolean(env, 'SLUICE_PASSKEYS') ?? providers.length === 0,
    providers,
    operators: readOperators(env.SLUICE_OPERATORS, providers),
    contact: env.SLUICE_SIGN_IN_CONTACT?.trim().slice(0, CONTACT_CHARS_MAX) || undefined,
  }
}

/** In the order of SLUICE_OIDC_PROVIDERS, or of their ids without it. */
function readProviders(env: Environment): ProviderSettings[] {
  const named = list(env.SLUICE_OIDC_PROVIDERS)
  const found = Object.keys(env)
    .filter((name) => env[name])
    .map((name) => /^SLUICE_OIDC_([A-Z0-9]+(?:_[A-Z0-9]+)*)_CLIENT_ID$/.exec(name)?.[1])
    .filter((id) => id !== undefined)
    .map((id) => id.toLowerCase().replaceAll('_', '-'))
    .sort()
  const ids = named.length > 0 ? named : found
  const invalid = ids.find((id) => !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(id))
  if (invalid !== undefined || new Set(ids).size !== ids.length || ids.length > PROVIDERS_MAX)
    throw new UsageError(
      `SLUICE_OIDC_PROVIDERS: ${invalid === undefined ? 'too many ids, or one twice' : `"${invalid}" is not an id`}.`,
      `Set it to ids of lower-case letters, digits and dashes, such as google,work; at most ${PROVIDERS_MAX}.`,
    )
  const providers = ids.map((id) => readProvider(env, id))
  const issuers = providers.map(({ issuer }) => issuer)
  const doubled = issuers.find((issuer, i) => issuers.indexOf(issuer) !== i)
  if (doubled !== undefined)
    throw new UsageError(
      `Two providers have the issuer ${doubled}.`,
      'Keep one of them: a person is an issuer and its subject.',
    )
  return providers
}

function readProvider(env: Environment, id: string): ProviderSettings {
  const prefix = `SLUICE_OIDC_${id.toUpperCase().replaceAll('-', '_')}_`
  const read = (name: (typeof PROVIDER_VARIABLES)[number]) =>
    env[prefix + name]?.trim() || undefined
  const require = (name: (typeof PROVIDER_VARIABLES)[number], hint: string) => {
    const value = read(name)
    if (value !== undefined) return value
    throw new UsageError(`${prefix}${name} is not set.`, hint)
  }
  const preset = PRESETS[id]
  const issuer =
    read('ISSUER') ??
    preset?.issuer ??
    require('ISSUER', 'Set it to the issuer of the provider, exactly as its metadata has it.')
  checkIssuer(env, `${prefix}ISSUER`, issuer)
  return {
    id,
    name: read('NAME') ?? preset?.name ?? id,
    issuer,
    clientId: require('CLIENT_ID', 'Set it to the id that the provider gave this client.'),
    clientSecret: readSecret(read('CLIENT_SECRET'), read('CLIENT_SECRET_FILE'), prefix),
    trustsEmail: readBoolean(env, `${prefix}TRUST_EMAIL`) ?? false,
  }
}

function readSecret(secret: string | undefined, file: string | undefined, prefix: string): string {
  const hint = `Set ${prefix}CLIENT_SECRET to the client's secret, or ${prefix}CLIENT_SECRET_FILE to a file with it.`
  if (secret !== undefined && file !== undefined)
    throw new UsageError(
      `${prefix}CLIENT_SECRET and ${prefix}CLIENT_SECRET_FILE are both set.`,
      hint,
    )
  if (secret !== undefined) return secret
  if (file === undefined) throw new UsageError(`${prefix}CLIENT_SECRET is not set.`, hint)
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`${prefix}CLIENT_SECRET_FILE: ${(error as Error).message}`, hint)
  }
  if (text === '') throw new UsageError(`${prefix}CLIENT_SECRET_FILE: the file is empty.`, hint)
  return text
}

function checkIssuer(env: Environment, name: string, issuer: string): void {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined
  const isValid = url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username
  if (!isValid || issuer.includes('/.well-known/'))
    throw new UsageError(
      `${name} is not valid.`,
      'Set it to the issuer alone, such as https://idp.example.com/realms/team, without /.well-known/… behind it.',
    )
  if (isCleartextBeyondPrivate(issuer) && env.SLUICE_ALLOW_CLEARTEXT !== 'true')
    throw new UsageError(
      `${name}: the connection would be unencrypted and leave this machine's private networks.`,
      'Use the https:// issuer.',
    )
}

/** `provider:address`, separated by commas. */
function readOperators(
  text: string | undefined,
  providers: readonly ProviderSettings[],
): OperatorSetting[] {
  return list(text).map((entry) => {
    const colon = entry.indexOf(':')
    const provider = providers.find(({ id }) => id === entry.slice(0, colon))
    if (!provider)
      throw new UsageError(
        `SLUICE_OPERATORS: "${entry}" does not begin with the id of a provider.`,
        'Set it to provider:address of each operator, separated by commas, such as google:ada@example.com.',
      )
    try {
      return { issuer: provider.issuer, email: readEmail(entry.slice(colon + 1)) }
    } catch {
      throw new UsageError(
        `SLUICE_OPERATORS: "${entry}" has no valid e-mail address.`,
        'Set it to provider:address of each operator, such as google:ada@example.com.',
      )
    }
  })
}

function readBoolean(env: Environment, name: string): boolean | undefined {
  const text = env[name]
  if (!text) return undefined
  if (text === 'true' || text === 'false') return text === 'true'
  throw new UsageError(`${name} has an unknown value.`, 'Set it to true or false.')
}

function list(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
}
