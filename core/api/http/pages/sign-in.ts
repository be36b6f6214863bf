import { pageOf } from './layout.ts'

const BRAND = '<p class="brand">Sluice</p>'
const NEW_LINK = '<code>npm run sluice -- status</code> prints a new one.'

/**
 * The token is behind the # of the link, so the browser sends it to nobody: no proxy, log or link preview has it. The
 * button sends it, in the body of a POST.
 */
export const SIGN_IN_PAGE = pageOf(
  'Sign in',
  `${BRAND}
<h1>Sign in</h1>
<noscript><p>Signing in needs JavaScript: the link's token is behind its #, and only a script can send it. Allow scripts for this page, or use an API key with the scope read.</p></noscript>
<div id="ready" hidden>
<p>The link signs in this browser, once, within ten minutes after it was made.</p>
<button id="sign-in" type="button">Sign in to Sluice</button>
</div>
<p id="missing" hidden>This address has no sign-in link in it. ${NEW_LINK} If you are signed in already, <a href="/">open the dashboard</a>.</p>
<div id="failed" role="alert" hidden>
<p class="error" id="reason"></p>
<p>${NEW_LINK}</p>
</div>`,
  '/sign-in.js',
)

export const SIGN_IN_SCRIPT = `'use strict'
const token = new URLSearchParams(location.hash.slice(1)).get('token')
const element = (id) => document.getElementById(id)
const show = (id) => { for (const each of ['ready', 'missing', 'failed']) element(each).hidden = each !== id }

async function signIn() {
  element('sign-in').disabled = true
  try {
    const response = await fetch('/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-sluice-sign-in': '1' },
      body: JSON.stringify({ token }),
    })
    if (response.ok) return location.replace('/')
    const problem = await response.json()
    element('reason').textContent = problem.detail || problem.title
  } catch {
    element('reason').textContent = 'Sluice cannot be reached.'
  }
  // Used or not, it does not stay in the history.
  history.replaceState(null, '', '/login')
  show('failed')
}

show(token ? 'ready' : 'missing')
element('sign-in').addEventListener('click', signIn)
`

/** @param origin as the request has it, for the example */
export const PROXY_PAGE = pageOf(
  'Set the public URL',
  `${BRAND}
<h1>Sign-in through a proxy is switched off</h1>
<p>This request came through a proxy, and core does not know the URL that your browser uses. Without it, it cannot protect the cookie of your session.</p>
<p>Set <code>SLUICE_PUBLIC_URL</code> to that URL, such as <code>https://sluice.example.com</code>, start core again, and use a new link.</p>`,
)
