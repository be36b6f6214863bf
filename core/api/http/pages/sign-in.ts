import { escapeHtml } from './escape-html.ts'
import { pageOf } from './layout.ts'
import { SIGN_IN_COMMON } from './sign-in-script.ts'

const BRAND = '<p class="brand">Sluice</p>'
const NEW_LINK = '<code>npm run sluice -- status</code> prints a new one.'

/** How one may sign in here. */
export interface SignInMethods {
  link: boolean
  passkey: boolean
  providers: readonly { id: string; name: string }[]
}

/**
 * A link's token is behind its #, so the browser sends it to nobody: no proxy, log or link preview has it. The button
 * sends it, in the body of a POST.
 */
export function signInPage(methods: SignInMethods): string {
  const { link, passkey, providers } = methods
  const buttons = [...providers.map(providerButton), ...(passkey ? [PASSKEY_BUTTON] : [])]
  const others = buttons.length > 0
  return pageOf(
    'Sign in',
    `${BRAND}
<h1>Sign in</h1>
<noscript><p>Signing in needs JavaScript. Allow scripts for this page, or use an API key with the scope read.</p></noscript>
<div id="ready" hidden>
<p>The link signs in this browser, once, within ten minutes after it was made.</p>
<button id="sign-in" type="button">Sign in to Sluice</button>
</div>
<div id="methods" hidden>
${buttons.join('\n')}
${link && others ? `<p class="muted">The operator signs in by a link: <code>npm run sluice -- status</code> prints one.</p>` : ''}
</div>
<p id="missing" hidden>${others ? '' : missingText(link)}</p>
<div id="failed" role="alert" hidden>
<p class="error" id="reason"></p>
<p id="new-link" hidden>${NEW_LINK}</p>
</div>`,
    '/sign-in.js',
  )
}

function missingText(link: boolean): string {
  const dashboard = 'If you are signed in already, <a href="/">open the dashboard</a>.'
  return link
    ? `This address has no sign-in link in it. ${NEW_LINK} ${dashboard}`
    : `Nobody has set up how to sign in here yet: docs/sign-in.md shows how. ${dashboard}`
}

export function providerButton({ id, name }: { id: string; name: string }): string {
  return `<button class="method" type="button" data-provider="${escapeHtml(id)}">Continue with ${escapeHtml(name)}</button>`
}

export const PASSKEY_BUTTON =
  '<button class="method secondary" type="button" id="passkey">Use a passkey</button>'

export const SIGN_IN_SCRIPT = `${SIGN_IN_COMMON}
const token = new URLSearchParams(location.hash.slice(1)).get('token')
const invitationToken = () => undefined
const isOnlyByLink = !document.querySelector('[data-provider], #passkey')

async function useLink() {
  try {
    await send('/login', { token })
    location.replace(returnTo && /^\\/(?![\\/\\\\])/.test(returnTo) ? returnTo : '/')
  } catch (error) {
    // Used or not, it does not stay in the history.
    history.replaceState(null, '', '/login')
    element('ready').hidden = true
    element('methods').hidden = isOnlyByLink
    element('new-link').hidden = false
    throw error
  }
}

element('ready').hidden = !token
element('methods').hidden = Boolean(token) || isOnlyByLink
element('missing').hidden = Boolean(token) || !isOnlyByLink
element('sign-in').addEventListener('click', run(useLink))
`

/** Where a proxy forwards requests, and core does not know under which URL. */
export const PROXY_PAGE = pageOf(
  'Set the public URL',
  `${BRAND}
<h1>Sign-in through a proxy is switched off</h1>
<p>This request came through a proxy, and core does not know the URL that your browser uses. Without it, it cannot protect the cookie of your session.</p>
<p>Set <code>SLUICE_PUBLIC_URL</code> to that URL, such as <code>https://sluice.example.com</code>, start core again, and use a new link.</p>`,
)
