import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readSignIn } from './sign-in-config.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-sign-in-'))
afterAll(() => rmSync(folder, { recursive: true }))
const fileWith = (text: string) => {
  const file = join(folder, 'secret')
  writeFileSync(file, text)
  return file
}

const google = { SLUICE_OIDC_GOOGLE_CLIENT_ID: 'id', SLUICE_OIDC_GOOGLE_CLIENT_SECRET: 'secret' }
const work = {
  SLUICE_OIDC_WORK_ISSUER: 'https://idp.example.com/realms/team/',
  SLUICE_OIDC_WORK_CLIENT_ID: 'sluice',
  SLUICE_OIDC_WORK_CLIENT_SECRET: 'secret',
}

test('without settings, people sign in by links and passkeys', () => {
  expect(readSignIn({ SLUICE_OIDC_GOOGLE_CLIENT_ID: '' })).toEqual({
    ...{ loginLink: true, passkeys: true, providers: [], operators: [], contact: undefined },
  })
})

test('Google needs no more than the id of the client and its secret, and passkeys are off with it', () => {
  expect(readSignIn(google)).toMatchObject({
    passkeys: false,
    providers: [
      {
        ...{ id: 'google', name: 'Google', issuer: 'https://accounts.google.com' },
        ...{ clientId: 'id', clientSecret: 'secret', trustsEmail: false },
      },
    ],
  })
  expect(readSignIn({ ...google, SLUICE_PASSKEYS: 'true' }).passkeys).toBe(true)
})

test('an issuer is kept exactly as it is written, and its secret may come from a file', () => {
  const { SLUICE_OIDC_WORK_CLIENT_SECRET: _, ...rest } = work
  const env = {
    ...rest,
    SLUICE_OIDC_WORK_CLIENT_SECRET_FILE: fileWith('from a file\n'),
    SLUICE_OIDC_WORK_NAME: 'The team',
    SLUICE_OIDC_WORK_TRUST_EMAIL: 'true',
    SLUICE_SIGN_IN_LINKS: 'false',
    SLUICE_SIGN_IN_CONTACT: ' it@example.com ',
    SLUICE_OPERATORS: 'work:Ada@Example.com, work:b@example.com',
  }
  const { issuer } = { issuer: 'https://idp.example.com/realms/team/' }
  expect(readSignIn(env)).toEqual({
    ...{ loginLink: false, passkeys: false, contact: 'it@example.com' },
    providers: [
      {
        ...{ id: 'work', name: 'The team', issuer, clientId: 'sluice' },
        ...{ clientSecret: 'from a file', trustsEmail: true },
      },
    ],
    operators: [
      { issuer, email: 'ada@example.com' },
      { issuer, email: 'b@example.com' },
    ],
  })
})

test('providers have the order of the list, and only those of the list are there', () => {
  const ids = (list?: string) =>
    readSignIn({ ...google, ...work, SLUICE_OIDC_PROVIDERS: list }).providers.map(({ id }) => id)
  expect(ids()).toEqual(['google', 'work'])
  expect(ids('work, google')).toEqual(['work', 'google'])
  expect(ids('work')).toEqual(['work'])
  const dashed = Object.entries(work).map(([name, value]) => [
    name.replace('WORK', 'MY_IDP'),
    value,
  ])
  expect(readSignIn(Object.fromEntries(dashed)).providers[0]?.id).toBe('my-idp')
})

describe('core does not start with', () => {
  test.each<[string, Record<string, string>, string]>([
    [
      'a provider without a secret',
      { SLUICE_OIDC_GOOGLE_CLIENT_ID: 'id' },
      'SLUICE_OIDC_GOOGLE_CLIENT_SECRET is not set',
    ],
    [
      'a provider without an issuer',
      { SLUICE_OIDC_A_CLIENT_ID: 'id', SLUICE_OIDC_A_CLIENT_SECRET: 's' },
      'SLUICE_OIDC_A_ISSUER is not set',
    ],
    [
      'a listed provider without a client',
      { SLUICE_OIDC_PROVIDERS: 'google' },
      'SLUICE_OIDC_GOOGLE_CLIENT_ID is not set',
    ],
    ['a secret twice', { ...google, SLUICE_OIDC_GOOGLE_CLIENT_SECRET_FILE: '/x' }, 'both set'],
    [
      'a file of a secret that is not there',
      { SLUICE_OIDC_GOOGLE_CLIENT_ID: 'id', SLUICE_OIDC_GOOGLE_CLIENT_SECRET_FILE: '/nowhere/x' },
      'SLUICE_OIDC_GOOGLE_CLIENT_SECRET_FILE',
    ],
    ['an id that is none', { SLUICE_OIDC_PROVIDERS: 'go/ogle' }, '"go/ogle" is not an id'],
    ['an id twice', { ...google, SLUICE_OIDC_PROVIDERS: 'google,google' }, 'one twice'],
    [
      'an issuer twice',
      { ...google, ...work, SLUICE_OIDC_WORK_ISSUER: 'https://accounts.google.com' },
      'Two providers',
    ],
    [
      'an issuer that is not a URL',
      { ...work, SLUICE_OIDC_WORK_ISSUER: 'idp' },
      'SLUICE_OIDC_WORK_ISSUER is not valid',
    ],
    [
      'an issuer with a query',
      { ...work, SLUICE_OIDC_WORK_ISSUER: 'https://idp.example.com/?a' },
      'is not valid',
    ],
    [
      'the URL of the metadata',
      {
        ...work,
        SLUICE_OIDC_WORK_ISSUER: 'https://idp.example.com/.well-known/openid-configuration',
      },
      'is not valid',
    ],
    [
      'an issuer on a public network without TLS',
      { ...work, SLUICE_OIDC_WORK_ISSUER: 'http://idp.example.com' },
      'unencrypted',
    ],
    [
      'an operator of an unknown provider',
      { ...google, SLUICE_OPERATORS: 'work:ada@example.com' },
      'does not begin with the id of a provider',
    ],
    [
      'an operator without a provider',
      { ...google, SLUICE_OPERATORS: 'ada@example.com' },
      'does not begin with the id of a provider',
    ],
    [
      'an operator without an address',
      { ...google, SLUICE_OPERATORS: 'google:ada' },
      'no valid e-mail address',
    ],
    [
      'a switch that is neither true nor false',
      { SLUICE_SIGN_IN_LINKS: 'off' },
      'SLUICE_SIGN_IN_LINKS has an unknown value',
    ],
  ])('%s', (_, env, message) => {
    expect(() => readSignIn(env)).toThrow(message)
  })

  test('an empty file of a secret', () => {
    const env = {
      SLUICE_OIDC_GOOGLE_CLIENT_ID: 'id',
      SLUICE_OIDC_GOOGLE_CLIENT_SECRET_FILE: fileWith('\n'),
    }
    expect(() => readSignIn(env)).toThrow('the file is empty')
  })

  test('more than 20 providers', () => {
    const env = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => [
          [`SLUICE_OIDC_P${i}_ISSUER`, `https://p${i}.example.com`],
          [`SLUICE_OIDC_P${i}_CLIENT_ID`, 'id'],
          [`SLUICE_OIDC_P${i}_CLIENT_SECRET`, 'secret'],
        ]).flat(),
      )
    expect(readSignIn(env(20)).providers).toHaveLength(20)
    expect(() => readSignIn(env(21))).toThrow('too many ids')
  })

  test('an issuer without TLS is for this machine, private networks, and who allows it', () => {
    const at = (issuer: string, more = {}) =>
      readSignIn({ ...work, SLUICE_OIDC_WORK_ISSUER: issuer, ...more }).providers.length
    expect(at('http://127.0.0.1:9000')).toBe(1)
    expect(at('http://10.0.0.7/realms/team')).toBe(1)
    expect(at('http://idp.example.com', { SLUICE_ALLOW_CLEARTEXT: 'true' })).toBe(1)
  })
})
