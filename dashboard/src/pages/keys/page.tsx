import './keys.css'
import { createSignal, For, Match, Show, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../components/error-notice.tsx'
import { Panel } from '../../components/panel.tsx'
import { SkeletonRows } from '../../components/skeleton-rows.tsx'
import { createPolling } from '../../lib/api/polling.ts'
import { createQuery, isMissing } from '../../lib/api/query.ts'
import { useApp } from '../../lib/app-context.ts'
import { CreatedKeyPanel } from './created-key.tsx'
import { KeyForm } from './key-form.tsx'
import { KeyRow } from './key-row.tsx'
import { type ApiKey, type CreatedKey, fetchKeys } from './queries.ts'
import { RevokeDialog } from './revoke-dialog.tsx'
import { RotateDialog } from './rotate-dialog.tsx'

type Asked = { kind: 'change' | 'rotate' | 'revoke'; id: string }

/** With which keys programs send and read, who uses them, and what can be changed about them. */
export default function KeysPage() {
  const { tenant, may } = useApp()
  const mayManage = () => may('keys.manage')
  const keys = createQuery({
    scope: tenant,
    variables: () => ({ tenant: tenant() }),
    isRetried: ({ kind }) => kind === 'unreachable',
    fetch: fetchKeys,
  })
  createPolling([keys])
  const [isCreating, setCreating] = createSignal(false)
  const [asked, setAsked] = createSignal<Asked>()
  const [created, setCreated] = createSignal<CreatedKey>()
  let createButton: HTMLButtonElement | undefined
  const close = () => {
    setAsked(undefined)
    setCreating(false)
    setCreated(undefined)
    queueMicrotask(() => createButton?.focus())
  }
  const askedKey = (kind: Asked['kind']): ApiKey | undefined => {
    const current = asked()
    return current?.kind === kind ? keys.data()?.find(({ id }) => id === current.id) : undefined
  }
  const show = (key: CreatedKey) => {
    setAsked(undefined)
    setCreating(false)
    setCreated(key)
    keys.retry()
  }
  const isFormOpen = () => isCreating() || created() !== undefined || asked()?.kind === 'change'
  return (
    <div class="keys">
      <Show when={mayManage()}>
        <Switch>
          <Match when={created()}>
            {(key) => <CreatedKeyPanel created={key()} onClose={close} />}
          </Match>
          <Match when={isCreating()}>
            <KeyForm onCreated={show} onChanged={keys.retry} onClose={close} />
          </Match>
          <Match when={askedKey('change')?.id} keyed>
            <KeyForm
              key={askedKey('change')}
              onCreated={show}
              onChanged={keys.retry}
              onClose={close}
            />
          </Match>
        </Switch>
      </Show>
      <Panel
        title="API keys"
        aside={
          <Show when={mayManage() && !isFormOpen()}>
            <button
              type="button"
              class="button"
              ref={createButton}
              onClick={() => setCreating(true)}
            >
              Create a key
            </button>
          </Show>
        }
      >
        <p class="panel-note">
          Programs send events and read numbers with a key. Its secret is shown once, when it is
          created; Sluice stores only a hash.
          <Show when={!mayManage()}> Admins of the tenant and above can change keys.</Show>
        </p>
        <QueryNotice query={keys} subject="The keys are" />
        <Switch>
          <Match when={isMissing(keys)}>
            <Missing subject="The keys" />
          </Match>
          <Match when={keys.loading()}>
            <SkeletonRows widths={[60, 80, 50]} />
          </Match>
          <Match when={keys.data()?.length === 0}>
            <p class="empty">
              <bdi>{tenant()}</bdi> has no keys yet. Create one to send the first event.
            </p>
          </Match>
          <Match when={keys.data()}>
            {(list) => (
              <ul class="entities">
                <For each={list().map(({ id }) => id)}>
                  {(id) => (
                    <Show when={list().find((each) => each.id === id)}>
                      {(key) => (
                        <KeyRow
                          key={key()}
                          replacement={list().find((each) => each.id === key().replacedBy)}
                          mayManage={mayManage()}
                          onAsk={(kind) => {
                            setCreated(undefined)
                            setCreating(false)
                            setAsked({ kind, id })
                          }}
                        />
                      )}
                    </Show>
                  )}
                </For>
              </ul>
            )}
          </Match>
        </Switch>
      </Panel>
      <RotateDialog
        key={askedKey('rotate')}
        onClose={() => setAsked(undefined)}
        onConflict={keys.retry}
        onRotated={show}
      />
      <RevokeDialog
        key={askedKey('revoke')}
        onClose={() => setAsked(undefined)}
        onDone={keys.retry}
      />
    </div>
  )
}
