import { Show } from 'solid-js'
import { ConfirmDialog } from '../../../components/overlays/confirm-dialog.tsx'
import { createAction } from '../../../lib/api/action.ts'
import { useApp } from '../../../lib/app-context.ts'
import { exact } from '../../../lib/format.ts'
import { type Metric, retireMetric } from './queries.ts'

/** Asks once, and names what disappears. */
export function RetireDialog(props: {
  /** Undefined: closed. */
  metric: Metric | undefined
  onClose(): void
  onRetired(): void
}) {
  const { tenant } = useApp()
  const retire = createAction(retireMetric)
  const close = () => {
    retire.clear()
    props.onClose()
  }
  const confirm = async (name: string) => {
    if (!(await retire.run({ tenant: tenant(), name }))) return false
    props.onRetired()
    close()
    return true
  }
  return (
    <Show when={props.metric}>
      {(metric) => (
        <ConfirmDialog
          title={
            <>
              Retire <bdi>{metric().name}</bdi>?
            </>
          }
          isOpen
          onOpenChange={(isOpen) => !isOpen && close()}
          confirmLabel="Retire the metric"
          error={retire.error()}
          isRunning={retire.isRunning()}
          onConfirm={() => confirm(metric().name)}
        >
          <p>What disappears:</p>
          <ul class="plain-list">
            <li>
              The metric <bdi>{metric().name}</bdi> with its {exact(metric().version)}{' '}
              {metric().version === 1 ? 'version' : 'versions'}: it counts nothing any more.
            </li>
            <li>
              Its numbers in {exact(metric().series)} series
              <Show when={metric().backfill.events > 0}>
                , among them {exact(metric().backfill.events)} events of its history
              </Show>
              .
            </li>
            <li>What it is named in: queries, links and scripts find nothing under this name.</li>
          </ul>
          <p class="muted">
            The events stay. As long as they are kept, the metric can be declared and counted again.
          </p>
        </ConfirmDialog>
      )}
    </Show>
  )
}
