import type { Setting } from './setting.ts'

/** How people sign in (docs/sign-in.md). */
export const SIGN_IN_SETTINGS: readonly Setting[] = [
  {
    name: 'SLUICE_SIGN_IN_LINKS',
    default: '`true`',
    meaning: '`false`: links of `sluice status` and `sluice login` sign nobody in',
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_PASSKEYS',
    default: '`true` without a provider',
    meaning: 'whether people may accept invitations and sign in by passkey: `true` or `false`',
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_OIDC_PROVIDERS',
    default: 'all that are set',
    meaning:
      'ids of the providers that people sign in with, in the order of the page, separated by commas, such as `google,work`',
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_OIDC_<ID>_ISSUER',
    default: "Google's for `GOOGLE`",
    meaning:
      "a provider's issuer, exactly as its metadata has it. `<ID>` is the id in upper case, `_` for `-`",
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_OIDC_<ID>_CLIENT_ID',
    default: '',
    meaning: 'the id that the provider gave this client',
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_OIDC_<ID>_CLIENT_SECRET',
    default: '',
    meaning: "the client's secret",
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_OIDC_<ID>_CLIENT_SECRET_FILE',
    default: '',
    meaning: 'a file with it, instead of `SLUICE_OIDC_<ID>_CLIENT_SECRET`',
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_OIDC_<ID>_NAME',
    default: 'the id',
    meaning: 'what the button of the sign-in page calls the provider',
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_OIDC_<ID>_TRUST_EMAIL',
    default: '`false`',
    meaning:
      '`true`: every e-mail address of this provider counts as verified. Only where an administrator assigns them, such as one tenant of Entra',
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_OPERATORS',
    default: '',
    meaning:
      'who is an operator: `provider:address` of verified e-mail addresses, separated by commas, such as `google:ada@example.com`. Each is bound to the person who signs in with it first',
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_SIGN_IN_CONTACT',
    default: '',
    meaning: 'whom people ask who may not sign in, such as an e-mail address; shown to them',
    readBy: 'core (api), cli',
  },
]
