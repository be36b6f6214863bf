import { Show } from 'solid-js'
import { ConfirmDialog } from '../../../components/overlays/confirm-dialog.tsx'
import { createAction } from '../../../lib/api/action.ts'
import { useApp } from '../../../lib/app-context.ts'
import { type Member, removeMember } from './queries.ts'

export function RemoveDialog(props: {
  /** Undefined: closed. */
  member: Member | undefined
  onClose(): void
  onRemoved(): void
}) {
  const { tenant } = useApp()
  const remove = createAction(removeMember)
  const close = () => {
    remove.clear()
    props.onClose()
  }
  const confirm = async (person: string) => {
    if (!(await remove.run({ tenant: tenant(), person }))) return false
    props.onRemoved()
    close()
    return true
  }
  return (
    <Show when={props.member}>
      {(member) => (
        <ConfirmDialog
          title={
            <>
              Remove <bdi>{member().person.name}</bdi>?
            </>
          }
          isOpen
          onOpenChange={(isOpen) => !isOpen && close()}
          confirmLabel="Remove the member"
          error={remove.error()}
          isRunning={remove.isRunning()}
          onConfirm={() => confirm(member().person.id)}
        >
          <p>
            <bdi>{member().person.name}</bdi> loses access to <bdi>{tenant()}</bdi> within 30
            seconds, in every browser. Invitations that they sent and nobody accepted are revoked.
            What they declared and changed stays, and so does the audit log.
          </p>
        </ConfirmDialog>
      )}
    </Show>
  )
}
