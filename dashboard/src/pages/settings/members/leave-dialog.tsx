import { ConfirmDialog } from '../../../components/overlays/confirm-dialog.tsx'
import { createAction } from '../../../lib/api/action.ts'
import { useApp } from '../../../lib/app-context.ts'
import { leaveTenant } from './queries.ts'

export function LeaveDialog(props: { isOpen: boolean; onClose(): void }) {
  const { tenant, urlState, refreshViewer } = useApp()
  const leave = createAction(leaveTenant)
  const close = () => {
    leave.clear()
    props.onClose()
  }
  const confirm = async () => {
    if (!(await leave.run({ tenant: tenant() }))) return false
    close()
    urlState.set({ tenant: null })
    refreshViewer()
    return true
  }
  return (
    <ConfirmDialog
      title={
        <>
          Leave <bdi>{tenant()}</bdi>?
        </>
      }
      isOpen={props.isOpen}
      onOpenChange={(isOpen) => !isOpen && close()}
      confirmLabel="Leave the tenant"
      error={leave.error()}
      isRunning={leave.isRunning()}
      onConfirm={confirm}
    >
      <p>
        You lose access to <bdi>{tenant()}</bdi> at once. To come back, you need an invitation from
        one of its owners or admins.
      </p>
    </ConfirmDialog>
  )
}
