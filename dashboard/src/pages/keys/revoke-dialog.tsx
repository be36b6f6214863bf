import { Show } from 'solid-js'
import { ConfirmDialog } from '../../components/overlays/confirm-dialog.tsx'
import { createAction } from '../../lib/api/action.ts'
import { useApp } from '../../lib/app-context.ts'
import { exact } from '../../lib/format.ts'
import { KeyUsers } from './key-users.tsx'
import { type ApiKey, revokeKey } from './queries.ts'

/** Asks once, with how many events are sent with the key and by whom. */
export function RevokeDialog(props: {
  /** As it is now; undefined: closed. */
  key: ApiKey | undefined
  onClose(): void
  onDone(): void
}) {
  const { tenant } = useApp()
  const revoke = createAction(revokeKey)
  const close = () => {
    revoke.clear()
    props.onClose()
  }
  const confirm = async ({ id, version }: ApiKey) => {
    const revoked = await revoke.run({ tenant: tenant(), id, version })
    props.onDone()
    if (revoked) close()
    return revoked !== undefined
  }
  return (
    <Show when={props.key}>
      {(key) => (
        <ConfirmDialog
          title={
            <>
              Revoke <bdi>{key().name}</bdi>?
            </>
          }
          isOpen
          isWide
          onOpenChange={(isOpen) => !isOpen && close()}
          confirmLabel={
            key().eventsLastDay > 0
              ? `Revoke the key that sent ${exact(key().eventsLastDay)} ${key().eventsLastDay === 1 ? 'event' : 'events'}`
              : 'Revoke the key'
          }
          error={revoke.error()}
          isRunning={revoke.isRunning()}
          onConfirm={() => confirm(key())}
        >
          <p>
            <Show
              when={key().eventsLastDay > 0}
              fallback="No event was sent with it in the last day."
            >
              <strong class="figures">{exact(key().eventsLastDay)}</strong>{' '}
              {key().eventsLastDay === 1 ? 'event was' : 'events were'} sent with it in the last
              day, <strong class="figures">{exact(key().eventsLastHour)}</strong> of them since the
              hour before this one. Their senders are refused from then on.
            </Show>{' '}
            Core refuses the key at once, every edge within 60 seconds. This cannot be undone.
          </p>
          <Show when={key().eventsLastDay > 0}>
            <KeyUsers id={key().id} />
            <p class="muted">To replace it without a gap, rotate it instead.</p>
          </Show>
        </ConfirmDialog>
      )}
    </Show>
  )
}
