import { createSignal, For, Match, Show, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../../components/error-notice.tsx'
import { ActionError } from '../../../components/forms/action-error.tsx'
import { TextField } from '../../../components/forms/text-field.tsx'
import { ConfirmDialog } from '../../../components/overlays/confirm-dialog.tsx'
import { Panel } from '../../../components/panel.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { Age, Stamp } from '../../../components/time.tsx'
import { createAction } from '../../../lib/api/action.ts'
import { createQuery, isMissing } from '../../../lib/api/query.ts'
import { addPasskey, fetchPasskeys, type Passkey, removePasskey } from './queries.ts'

const NAME_CHARS_MAX = 100

/** The viewer's own: listed, added on this device, removed. */
export function Passkeys() {
  const passkeys = createQuery({
    scope: () => 'passkeys',
    variables: () => ({}),
    fetch: fetchPasskeys,
  })
  const [removed, setRemoved] = createSignal<Passkey>()
  const remove = createAction(removePasskey)
  const confirmRemoval = async () => {
    const id = removed()?.id
    if (id === undefined) return false
    await remove.run({ id })
    if (remove.error()) return false
    passkeys.retry()
    setRemoved(undefined)
    return true
  }
  return (
    <Panel title="Your passkeys">
      <QueryNotice query={passkeys} subject="Your passkeys are" />
      <Switch>
        <Match when={isMissing(passkeys)}>
          <Missing subject="Your passkeys" />
        </Match>
        <Match when={passkeys.loading()}>
          <SkeletonRows widths={[60, 80]} />
        </Match>
        <Match when={passkeys.data()?.length === 0}>
          <p class="empty">You sign in by a provider, which looks after your credentials.</p>
        </Match>
        <Match when={passkeys.data()}>
          {(list) => (
            <>
              <ul class="entities">
                <For each={list()}>
                  {(passkey) => (
                    <PasskeyRow
                      passkey={passkey}
                      isLast={list().length === 1}
                      onRemove={() => {
                        remove.clear()
                        setRemoved(passkey)
                      }}
                    />
                  )}
                </For>
              </ul>
              <NewPasskey onAdded={() => passkeys.retry()} />
            </>
          )}
        </Match>
      </Switch>
      <ConfirmDialog
        title="Remove the passkey?"
        isOpen={removed() !== undefined}
        onOpenChange={() => setRemoved(undefined)}
        confirmLabel="Remove the passkey"
        error={remove.error()}
        isRunning={remove.isRunning()}
        onConfirm={confirmRemoval}
      >
        <p>
          “<bdi>{removed()?.name}</bdi>” does not sign you in afterwards. Sessions that it began go
          on; end them under Sessions if the device is lost.
        </p>
      </ConfirmDialog>
    </Panel>
  )
}

function PasskeyRow(props: { passkey: Passkey; isLast: boolean; onRemove(): void }) {
  return (
    <li class="entity">
      <div class="entity-main">
        <bdi class="entity-name">{props.passkey.name}</bdi>
      </div>
      <div class="entity-fact">
        <span class="entity-label">Last used</span>
        <Show when={props.passkey.last_used_at} fallback="Never">
          {(at) => <Age at={at()} />}
        </Show>
      </div>
      <div class="entity-fact">
        <span class="entity-label">Added</span>
        <Stamp at={props.passkey.created_at} />
      </div>
      <div class="entity-actions">
        <Show when={!props.isLast} fallback={<span class="hint">The last one stays</span>}>
          <button type="button" class="button" onClick={() => props.onRemove()}>
            Remove
            <span class="sr-only"> the passkey {props.passkey.name}</span>
          </button>
        </Show>
      </div>
    </li>
  )
}

function NewPasskey(props: { onAdded(): void }) {
  const [name, setName] = createSignal('')
  const add = createAction(addPasskey)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    if (!(await add.run({ name: name() }))) return
    setName('')
    props.onAdded()
  }
  return (
    <form class="form" onSubmit={submit}>
      <TextField
        label="Name of a new passkey"
        hint="Such as the device on which it is. Up to ten passkeys."
        value={name()}
        onInput={setName}
        maxlength={NAME_CHARS_MAX}
      />
      <ActionError error={add.error()} />
      <p class="form-actions">
        <button type="submit" class="button" disabled={add.isRunning()}>
          Add a passkey on this device
        </button>
      </p>
    </form>
  )
}
