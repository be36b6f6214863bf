import { createSignal, For, Match, Show, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../../components/error-notice.tsx'
import { ConfirmDialog } from '../../../components/overlays/confirm-dialog.tsx'
import { Panel } from '../../../components/panel.tsx'
import { Age } from '../../../components/time.tsx'
import { createAction } from '../../../lib/api/action.ts'
import { isMissing, type Query } from '../../../lib/api/query.ts'
import { useApp } from '../../../lib/app-context.ts'
import { ROLES } from '../../../lib/roles.ts'
import { type Invitation, revokeInvitation } from './queries.ts'

/** Who is invited and has not accepted yet. */
export function Invitations(props: { invitations: Query<Invitation[]> }) {
  const { tenant } = useApp()
  const [revoking, setRevoking] = createSignal<Invitation>()
  const revoke = createAction(revokeInvitation)
  const close = () => {
    revoke.clear()
    setRevoking(undefined)
  }
  const confirm = async (id: string) => {
    const result = await revoke.run({ tenant: tenant(), id })
    props.invitations.retry()
    if (result) close()
    return result !== undefined
  }
  return (
    <Panel title="Pending invitations">
      <QueryNotice query={props.invitations} subject="The invitations are" />
      <Switch>
        <Match when={isMissing(props.invitations)}>
          <Missing subject="The invitations" />
        </Match>
        <Match when={props.invitations.data()?.length === 0}>
          <p class="empty">
            Nobody is invited at the moment. An invitation is a link, for one e-mail address.
          </p>
        </Match>
        <Match when={props.invitations.data()}>
          {(list) => (
            <ul class="entities">
              <For each={list()}>
                {(invitation) => (
                  <InvitationRow invitation={invitation} onRevoke={() => setRevoking(invitation)} />
                )}
              </For>
            </ul>
          )}
        </Match>
      </Switch>
      <Show when={revoking()}>
        {(invitation) => (
          <ConfirmDialog
            title="Revoke the invitation?"
            isOpen
            onOpenChange={(isOpen) => !isOpen && close()}
            confirmLabel="Revoke the invitation"
            error={revoke.error()}
            isRunning={revoke.isRunning()}
            onConfirm={() => confirm(invitation().id)}
          >
            <p>
              The link that was sent to <bdi>{invitation().email}</bdi> opens nothing any more. You
              can invite the same address again.
            </p>
          </ConfirmDialog>
        )}
      </Show>
    </Panel>
  )
}

function InvitationRow(props: { invitation: Invitation; onRevoke(): void }) {
  return (
    <li class="entity">
      <div class="entity-main">
        <bdi class="entity-name">{props.invitation.email}</bdi>
        <span class="hint entity-sub">
          Invited by <bdi>{props.invitation.invitedBy ?? 'the operator'}</bdi>{' '}
          <Age at={props.invitation.createdAt} />
        </span>
      </div>
      <div class="entity-fact">
        <span class="entity-label">Role</span>
        {ROLES[props.invitation.role].name}
      </div>
      <div class="entity-fact">
        <span class="entity-label">Expires</span>
        <Age at={props.invitation.expiresAt} />
      </div>
      <div class="entity-actions">
        <button type="button" class="button" onClick={() => props.onRevoke()}>
          Revoke…<span class="sr-only"> the invitation of {props.invitation.email}</span>
        </button>
      </div>
    </li>
  )
}
