import { API_ERRORS, ERRORS } from '../../../../contract/errors.ts'
import type { ProblemCode } from '../problem.ts'
import { escapeHtml } from './escape-html.ts'
import { pageOf } from './layout.ts'

const BRAND = '<p class="brand">Sluice</p>'
const AGAIN = '<p><a href="/login">Back to sign-in</a></p>'

/** Shown where a browser comes back from its provider, and cannot be signed in. */
export function failedPage(code: ProblemCode): string {
  const { message } = { ...ERRORS, ...API_ERRORS }[code]
  return pageOf(
    'Sign-in failed',
    `${BRAND}
<h1>You are not signed in</h1>
<p>${escapeHtml(message)}</p>
${AGAIN}`,
  )
}

/** For somebody who proved who they are, and whom nobody has invited. */
export function notMemberPage({
  email,
  hasUnverifiedEmail,
  contact,
}: {
  email?: string
  hasUnverifiedEmail: boolean
  contact: string | undefined
}): string {
  const who = email === undefined ? 'your account' : `<strong>${escapeHtml(email)}</strong>`
  const ask =
    contact === undefined
      ? 'Ask an owner or admin of your team, or who runs this Sluice, to invite you.'
      : `Ask an owner or admin of your team to invite you, or ask <strong>${escapeHtml(contact)}</strong>.`
  const unverified = hasUnverifiedEmail
    ? '<p>Your provider has not verified your e-mail address; an invitation can be accepted only with a verified one.</p>'
    : ''
  return pageOf(
    'No access',
    `${BRAND}
<h1>Nobody has invited you yet</h1>
<p>You signed in at your provider, but ${who} is not a member here. ${ask}</p>
<p>If you have an invitation, open its link and accept it there.</p>
${unverified}${AGAIN}`,
  )
}
