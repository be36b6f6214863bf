import { pageOf } from './layout.ts'
import { PASSKEY_BUTTON, providerButton, type SignInMethods } from './sign-in.ts'
import { SIGN_IN_COMMON } from './sign-in-script.ts'

/** What the link of an invitation opens. Its token is behind the #, as that of a sign-in link. */
export function invitationPage(
  methods: Pick<SignInMethods, 'providers' | 'passkey'> & { newPasskey: boolean },
): string {
  const { providers, passkey, newPasskey } = methods
  return pageOf(
    'Invitation',
    `<p class="brand">Sluice</p>
<h1 id="title">Invitation</h1>
<noscript><p>Accepting an invitation needs JavaScript. Allow scripts for this page.</p></noscript>
<p id="loading" class="muted" role="status">Reading the invitation …</p>
<p id="missing" hidden>This address has no invitation in it. Open the link once more as you got it.</p>
<div id="accept" hidden>
<p>You are invited to <strong id="tenant"></strong> as <strong id="role"></strong>. The invitation is for <strong id="email"></strong><span id="by"></span>.</p>
<div id="as-session" hidden>
<button class="method" type="button" id="accept-session">Accept as <span id="signed-in"></span></button>
<p class="muted">Or as somebody else:</p>
</div>
${providers.length > 0 ? `<p class="muted">Sign in with the address above to accept.</p>\n${providers.map(providerButton).join('\n')}` : ''}
${newPasskey ? NEW_PASSKEY : ''}
${passkey ? PASSKEY_BUTTON.replace('Use a passkey', 'I have a passkey here already') : ''}
${providers.length === 0 && !newPasskey && !passkey ? '<p>Nobody has set up how to sign in here yet. Ask who invited you.</p>' : ''}
</div>
<div id="failed" role="alert" hidden>
<p class="error" id="reason"></p>
</div>`,
    '/invitation.js',
  )
}

const NEW_PASSKEY = `<form id="new-passkey">
<label for="name">Your name</label>
<input id="name" name="name" autocomplete="name" maxlength="200" required>
<button class="method" type="submit">Accept with a new passkey</button>
<p class="muted">Your device keeps the passkey, and asks for your finger, face or PIN. You need no password.</p>
</form>`

export const INVITATION_SCRIPT = `${SIGN_IN_COMMON}
const token = new URLSearchParams(location.hash.slice(1)).get('token')
const invitationToken = () => token
const ROLES = { VIEWER: 'viewer', EDITOR: 'editor', ADMIN: 'admin', OWNER: 'owner' }

async function preview() {
  try {
    const invitation = await send('/invitation/preview', { token })
    element('title').textContent = 'Join ' + invitation.tenant
    element('tenant').textContent = invitation.tenant
    element('role').textContent = ROLES[invitation.role] || invitation.role
    element('email').textContent = invitation.email
    element('by').textContent = invitation.invited_by ? ', from ' + invitation.invited_by : ''
    if (invitation.signed_in) {
      element('signed-in').textContent = invitation.signed_in.name
      element('as-session').hidden = false
    }
    element('accept').hidden = false
  } finally {
    element('loading').hidden = true
  }
}

async function acceptAsSignedIn() {
  const { return_to } = await send('/invitation/accept/session', { token })
  location.replace(return_to)
}

async function acceptWithPasskey() {
  const name = element('name').value
  const options = await send('/invitation/accept/passkey/options', { token, name })
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options)
  const credential = await askAuthenticator(() => navigator.credentials.create({ publicKey }))
  const { return_to } = await send('/invitation/accept/passkey/verify', { token, name, credential })
  location.replace(return_to)
}

element('accept-session').addEventListener('click', run(acceptAsSignedIn))
if (element('new-passkey')) {
  if (!hasPasskeys()) element('new-passkey').hidden = true
  const accept = run(acceptWithPasskey)
  element('new-passkey').addEventListener('submit', (event) => {
    event.preventDefault()
    accept()
  })
}
if (token) preview().catch(showError)
else {
  element('loading').hidden = true
  element('missing').hidden = false
}
`
