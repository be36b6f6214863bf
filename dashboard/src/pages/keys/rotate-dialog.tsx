import { createSignal, For, Show } from 'solid-js'
import { ActionError } from '../../components/forms/action-error.tsx'
import { Dialog } from '../../components/overlays/dialog.tsx'
import { createAction } from '../../lib/api/action.ts'
import { useApp } from '../../lib/app-context.ts'
import { KeyUsers } from './key-users.tsx'
import { type ApiKey, type CreatedKey, rotateKey } from './queries.ts'

/** For so long the old key keeps working. */
const OVERLAPS: Record<string, string> = {
  1: '1 hour',
  24: '1 day',
  168: '7 days',
  720: '30 days',
  0: 'Not at all: it stops now',
}

/** Creates a key with the same settings; the old one keeps working while its users change over. */
export function RotateDialog(props: {
  /** As it is now; undefined: closed. */
  key: ApiKey | undefined
  onClose(): void
  onConflict(): void
  onRotated(created: CreatedKey): void
}) {
  return <Show when={props.key}>{(key) => <RotateForm {...props} key={key()} />}</Show>
}

function RotateForm(props: {
  key: ApiKey
  onClose(): void
  onConflict(): void
  onRotated(created: CreatedKey): void
}) {
  const { tenant } = useApp()
  const [hours, setHours] = createSignal('24')
  const rotate = createAction(rotateKey)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const { id, version } = props.key
    const rotated = await rotate.run({
      tenant: tenant(),
      id,
      version,
      overlapHours: Number(hours()),
    })
    if (rotated) props.onRotated(rotated)
    else props.onConflict()
  }
  return (
    <Dialog
      title={
        <>
          Rotate <bdi>{props.key.name}</bdi>
        </>
      }
      isOpen
      isWide
      onOpenChange={(isOpen) => !isOpen && props.onClose()}
    >
      <form class="form" onSubmit={submit}>
        <p>
          A new key with the same settings takes its place. Until the old one stops, both work, so
          that nobody who uses it is refused.
        </p>
        <label class="field">
          <span class="field-name">The old key keeps working for</span>
          <select value={hours()} onChange={(event) => setHours(event.currentTarget.value)}>
            <For each={['1', '24', '168', '720', '0']}>
              {(each) => <option value={each}>{OVERLAPS[each]}</option>}
            </For>
          </select>
        </label>
        <section aria-label="Who still uses it">
          <h3>Who still uses it</h3>
          <KeyUsers id={props.key.id} />
        </section>
        <ActionError error={rotate.error()} />
        <p class="form-actions">
          <button type="submit" class="button primary" disabled={rotate.isRunning()}>
            Create the new key
          </button>
          <button type="button" class="button" onClick={() => props.onClose()}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  )
}
