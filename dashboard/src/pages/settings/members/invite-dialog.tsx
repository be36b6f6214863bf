import { createEffect, createSignal, on, Show } from 'solid-js'
import { ActionError } from '../../../components/forms/action-error.tsx'
import { TextField } from '../../../components/forms/text-field.tsx'
import { Dialog } from '../../../components/overlays/dialog.tsx'
import { SecretText } from '../../../components/secret-text.tsx'
import { Stamp } from '../../../components/time.tsx'
import { createAction, fieldError } from '../../../lib/api/action.ts'
import type { Role } from '../../../lib/api/documents.ts'
import { useApp } from '../../../lib/app-context.ts'
import { inviteMember } from './queries.ts'
import { RoleChoice } from './role-choice.tsx'

/** Asks for an address and a role; then shows the link, which only this response has. */
export function InviteDialog(props: {
  isOpen: boolean
  roles: readonly Role[]
  onOpenChange(isOpen: boolean): void
  onInvited(): void
}) {
  const { tenant } = useApp()
  const [email, setEmail] = createSignal('')
  const [role, setRole] = createSignal<Role>('VIEWER')
  const [created, setCreated] = createSignal<Awaited<ReturnType<typeof invite.run>>>()
  const invite = createAction(inviteMember)
  // Nothing of the last invitation is left in the next one.
  createEffect(
    on(
      () => props.isOpen,
      () => {
        setEmail('')
        setRole('VIEWER')
        setCreated(undefined)
        invite.clear()
      },
    ),
  )
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const result = await invite.run({ tenant: tenant(), email: email().trim(), role: role() })
    if (!result) return
    setCreated(result)
    props.onInvited()
  }
  return (
    <Dialog
      title={
        <>
          Invite a person to <bdi>{tenant()}</bdi>
        </>
      }
      isOpen={props.isOpen}
      onOpenChange={props.onOpenChange}
      isWide
    >
      <Show
        when={created()}
        fallback={
          <form class="form" onSubmit={submit}>
            <TextField
              label="E-mail address"
              hint="Only this person can accept: with a provider that verified the address, or with a passkey from the link."
              type="email"
              value={email()}
              onInput={setEmail}
              error={fieldError(invite.error(), '/email')}
              required
              maxlength={254}
            />
            <RoleChoice roles={props.roles} chosen={role()} choose={setRole} />
            <Show when={fieldError(invite.error(), '/email') === undefined}>
              <ActionError error={invite.error()} />
            </Show>
            <p class="form-actions">
              <button type="submit" class="button primary" disabled={invite.isRunning()}>
                Create the invitation
              </button>
            </p>
          </form>
        }
      >
        {(result) => (
          <div class="form">
            <p>
              Send this link to <bdi>{result().invitation.email}</bdi>. It works once, until{' '}
              <Stamp at={result().invitation.expiresAt} />.
            </p>
            <SecretText what="link" text={result().url} />
            <p class="muted">Sluice sends no e-mail, and shows the link only now.</p>
            <p class="form-actions">
              <button type="button" class="button" onClick={() => props.onOpenChange(false)}>
                Done
              </button>
            </p>
          </div>
        )}
      </Show>
    </Dialog>
  )
}
