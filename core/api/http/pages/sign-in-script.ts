/** What the scripts of the sign-in pages share. Plain JavaScript for browsers; the CSP allows files of core alone. */
export const SIGN_IN_COMMON = `'use strict'
const element = (id) => document.getElementById(id)
const returnTo = new URLSearchParams(location.search).get('return') || undefined

async function send(path, body) {
  let response
  try {
    response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-sluice-sign-in': '1' },
      body: JSON.stringify(body),
    })
  } catch {
    throw new Error('Sluice cannot be reached.')
  }
  if (response.status === 204) return {}
  const result = await response.json()
  if (!response.ok) throw new Error(result.detail || result.title)
  return result
}

const hasPasskeys = () =>
  typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential

async function askAuthenticator(ask) {
  try {
    return (await ask()).toJSON()
  } catch (error) {
    if (error.name === 'NotAllowedError') throw new Error('No passkey was used. Try again, and confirm it on your device.')
    if (error.name === 'InvalidStateError') throw new Error('This device has a passkey for you already.')
    throw new Error('This browser or device cannot use a passkey here.')
  }
}

async function usePasskey(invitation) {
  const options = await send('/login/passkey/options', {})
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
  const credential = await askAuthenticator(() => navigator.credentials.get({ publicKey }))
  const result = await send('/login/passkey/verify', { credential, return_to: returnTo, invitation })
  location.replace(result.return_to)
}

async function useProvider(id, invitation) {
  const again = new URLSearchParams(location.search).has('again')
  const { url } = await send('/login/oidc/' + id, { return_to: returnTo, invitation, again })
  location.assign(url)
}

function showError(error) {
  element('reason').textContent = error.message
  element('failed').hidden = false
}

function run(work) {
  return async (event) => {
    const buttons = document.querySelectorAll('button')
    element('failed').hidden = true
    for (const button of buttons) button.disabled = true
    try {
      await work(event)
    } catch (error) {
      for (const button of buttons) button.disabled = false
      showError(error)
      if (event) event.target.focus()
    }
  }
}

for (const button of document.querySelectorAll('[data-provider]'))
  button.addEventListener('click', run(() => useProvider(button.dataset.provider, invitationToken())))
if (element('passkey')) {
  if (hasPasskeys()) element('passkey').addEventListener('click', run(() => usePasskey(invitationToken())))
  else element('passkey').hidden = true
}
// Back from the provider, the browser may show this page as it was left.
addEventListener('pageshow', (event) => {
  if (event.persisted) for (const button of document.querySelectorAll('button')) button.disabled = false
})
`
