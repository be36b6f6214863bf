import { createEffect, createSignal, on, Show } from 'solid-js'
import { ActionError } from '../../../components/forms/action-error.tsx'
import { Dialog } from '../../../components/overlays/dialog.tsx'
import { createAction } from '../../../lib/api/action.ts'
import type { Role } from '../../../lib/api/documents.ts'
import { useApp } from '../../../lib/app-context.ts'
import { ROLES } from '../../../lib/roles.ts'
import { changeRole, type Member } from './queries.ts'
import { RoleChoice } from './role-choice.tsx'

/** Gives a member another role, unless somebody else did so in the meantime. */
export function RoleDialog(props: {
  /** As it is now; undefined: closed. */
  member: Member | undefined
  roles: readonly Role[]
  onClose(): void
  onChanged(): void
}) {
  return <Show when={props.member}>{(member) => <RoleForm {...props} member={member()} />}</Show>
}

function RoleForm(props: {
  member: Member
  roles: readonly Role[]
  onClose(): void
  onChanged(): void
}) {
  const { tenant } = useApp()
  const [role, setRole] = createSignal<Role>(props.member.role)
  const change = createAction(changeRole)
  // What was chosen was chosen over another one: after a conflict the current role is shown.
  createEffect(
    on(
      () => props.member.version,
      () => setRole(props.member.role),
      { defer: true },
    ),
  )
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const { person, version } = props.member
    const changed = await change.run({
      tenant: tenant(),
      person: person.id,
      role: role(),
      version,
    })
    props.onChanged()
    if (changed) props.onClose()
  }
  return (
    <Dialog
      title={
        <>
          Role of <bdi>{props.member.person.name}</bdi>
        </>
      }
      isOpen
      onOpenChange={(isOpen) => !isOpen && props.onClose()}
    >
      <form class="form" onSubmit={submit}>
        <p class="muted">
          {ROLES[props.member.role].name} at the moment. The change holds everywhere within 30
          seconds.
        </p>
        <RoleChoice roles={props.roles} chosen={role()} choose={setRole} />
        <ActionError error={change.error()} />
        <p class="form-actions">
          <button
            type="submit"
            class="button primary"
            disabled={change.isRunning() || role() === props.member.role}
          >
            Change to {ROLES[role()].name.toLowerCase()}
          </button>
          <button type="button" class="button" onClick={() => props.onClose()}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  )
}
