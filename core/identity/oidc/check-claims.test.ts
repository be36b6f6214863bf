import { expect, test } from 'vitest'
import { checkTimes, readClaims } from './check-claims.ts'
import { readLogoutToken } from './logout-token.ts'

const settings = {
  ...{ id: 'work', name: 'Work', issuer: 'https://idp.example.com', clientId: 'sluice' },
  ...{ clientSecret: 'secret', trustsEmail: false },
}
const isValid = (check: () => unknown) => {
  try {
    check()
    return true
  } catch (error) {
    expect((error as Error).name).toBe('SignInInvalidError')
    return false
  }
}

test('an ID token is issued between the begin of the sign-in and now, give or take exactly a minute', () => {
  const at = (iat: unknown) =>
    isValid(() =>
      checkTimes({ iat }, { begunS: 1_000, nowS: 1_100, again: false, requiresAge: false }),
    )
  expect([939, 940, 1_100, 1_160, 1_161].map(at)).toEqual([false, true, true, true, false])
  expect(['1000', null, undefined].map(at)).toEqual([false, false, false])
})

test('credentials that were to be asked for again were given since the begin of the sign-in', () => {
  const times = { begunS: 1_000, nowS: 1_100 }
  const check = (auth_time: unknown, again: boolean) =>
    checkTimes({ iat: 1_050, auth_time }, { ...times, again, requiresAge: false })
  expect(isValid(() => check(939, true))).toBe(false)
  expect(check(940, true)).toBe(940)
  expect(check(5, false)).toBe(5)
  expect(check(undefined, true)).toBeUndefined()
  // Where the time was asked for, it has to be there.
  const asked = { ...times, again: true, requiresAge: true }
  expect(isValid(() => checkTimes({ iat: 1_050 }, asked))).toBe(false)
  expect(checkTimes({ iat: 1_050, auth_time: 1_050 }, asked)).toBe(1_050)
  // No sign-in is of the future, and none older than time itself.
  expect(check(1_200, false)).toBe(1_100)
  expect(check(-1e300, false)).toBe(0)
  expect(isValid(() => check(Number.POSITIVE_INFINITY, false))).toBe(false)
})

test('an address counts where the provider claims to have verified it, or is trusted to have', () => {
  const email = 'Ada@Example.com'
  const read = (claims: object, trustsEmail = false) =>
    readClaims({ ...settings, trustsEmail }, { sub: 'ada', ...claims })
  expect(read({ email, email_verified: true })).toEqual({
    ...{ issuer: settings.issuer, subject: 'ada', email: 'ada@example.com' },
    hasUnverifiedEmail: false,
  })
  for (const email_verified of [false, undefined, 'true', 1]) {
    expect(read({ email, email_verified })).toMatchObject({ hasUnverifiedEmail: true })
    expect(read({ email, email_verified }).email).toBeUndefined()
    expect(read({ email, email_verified }, true).email).toBe('ada@example.com')
  }
  for (const invalid of ['', 'ada', 7, 'a@b@example.com'])
    expect(read({ email: invalid, email_verified: true }).email).toBeUndefined()
})

test('a subject has 1 to 255 characters of ASCII, and a session id that is too long is not kept', () => {
  const subject = (sub: unknown) => isValid(() => readClaims(settings, { sub }))
  expect(['x', 'x'.repeat(255), '', 'x'.repeat(256), 'é', 7].map(subject)).toEqual([
    ...[true, true, false, false, false, false],
  ])
  const session = (sid: unknown) => readClaims(settings, { sub: 'ada', sid }).session
  expect(session('s'.repeat(255))).toHaveLength(255)
  expect(['', 's'.repeat(256), 7].map(session)).toEqual([undefined, undefined, undefined])
})

test('a logout token is of the last five minutes, exactly, and names a session, a person, or both', () => {
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  const read = (claims: object) =>
    readLogoutToken({ jti: 'id', iat: 1_000, events, sub: 'ada', ...claims }, 'logout+jwt', 1_000)
  const at = (iat: unknown) => isValid(() => read({ iat }))
  expect([699, 700, 1_060, 1_061, '1000'].map(at)).toEqual([false, true, true, false, false])
  expect(read({})).toEqual({ subject: 'ada', begunBeforeS: 1_060 })
  expect(read({ sid: 's' })).toEqual({ sid: 's', subject: 'ada', begunBeforeS: 1_060 })
  expect(read({ sid: 's', sub: undefined })).toEqual({ sid: 's', begunBeforeS: 1_060 })
  for (const nobody of [
    { sub: '' },
    { sub: 7, sid: 7 },
    { jti: '' },
    { events: [] },
    { nonce: '' },
  ])
    expect(isValid(() => read(nobody))).toBe(false)
})
