import { createSignal, For, lazy, Match, Show, Suspense, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../../components/error-notice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { Stamp } from '../../../components/time.tsx'
import { roleIn } from '../../../lib/api/documents.ts'
import { createPolling } from '../../../lib/api/polling.ts'
import { createQuery, isMissing, type Query } from '../../../lib/api/query.ts'
import { useApp } from '../../../lib/app-context.ts'
import { exact } from '../../../lib/format.ts'
import { grantable, ROLES } from '../../../lib/roles.ts'
import { Invitations } from './invitations.tsx'
import { InviteDialog } from './invite-dialog.tsx'
import { LeaveDialog } from './leave-dialog.tsx'
import { fetchInvitations, fetchMembers, type Member } from './queries.ts'
import { RemoveDialog } from './remove-dialog.tsx'
import { RoleDialog } from './role-dialog.tsx'

const CreateTenant = lazy(() => import('../../../components/overlays/create-tenant.tsx'))

type Asked = { kind: 'role' | 'remove' | 'leave'; person: string }

/** Who may see and change what in the tenant, and who is invited. */
export default function MembersSection() {
  const { tenant, may, viewer, urlState, refreshViewer } = useApp()
  const mayManage = () => may('members.manage')
  const isRetried = ({ kind }: { kind: string }) => kind === 'unreachable'
  const members = createQuery({
    scope: tenant,
    variables: () => ({ tenant: tenant() }),
    isRetried,
    fetch: fetchMembers,
  })
  const invitations = createQuery({
    scope: tenant,
    variables: () => (mayManage() ? { tenant: tenant() } : undefined),
    isRetried,
    fetch: fetchInvitations,
  })
  createPolling([members, invitations])
  const [isInviting, setInviting] = createSignal(false)
  const [asked, setAsked] = createSignal<Asked>()
  const askedMember = (kind: Asked['kind']): Member | undefined => {
    const current = asked()
    if (current?.kind !== kind) return undefined
    return members.data()?.find(({ person }) => person.id === current.person)
  }
  const own = () => roleIn(viewer(), tenant())
  const close = () => setAsked(undefined)
  return (
    <>
      <Panel
        title="Members"
        aside={
          <>
            <Show when={viewer().isOperator}>
              <Suspense>
                <CreateTenant
                  onCreated={(created) => {
                    refreshViewer()
                    urlState.set({ tenant: created })
                  }}
                />
              </Suspense>
            </Show>
            <Show when={mayManage()}>
              <button type="button" class="button" onClick={() => setInviting(true)}>
                Invite a person
              </button>
            </Show>
          </>
        }
      >
        <MemberList
          members={members}
          mayManage={mayManage()}
          onAsk={(kind, member) => setAsked({ kind, person: member.person.id })}
        />
      </Panel>
      <Show when={mayManage()}>
        <Invitations invitations={invitations} />
      </Show>
      <InviteDialog
        isOpen={isInviting()}
        roles={grantable(own())}
        onOpenChange={setInviting}
        onInvited={invitations.retry}
      />
      <RoleDialog
        member={askedMember('role')}
        roles={grantable(own())}
        onClose={close}
        onChanged={() => {
          members.retry()
          refreshViewer()
        }}
      />
      <RemoveDialog member={askedMember('remove')} onClose={close} onRemoved={members.retry} />
      <LeaveDialog isOpen={askedMember('leave') !== undefined} onClose={close} />
    </>
  )
}

function MemberList(props: {
  members: Query<Member[]>
  mayManage: boolean
  onAsk(kind: Asked['kind'], member: Member): void
}) {
  const { tenant } = useApp()
  const ids = () => (props.members.data() ?? []).map(({ person }) => person.id)
  return (
    <>
      <QueryNotice query={props.members} subject="The members are" />
      <Switch>
        <Match when={isMissing(props.members)}>
          <Missing subject="The members" />
        </Match>
        <Match when={props.members.loading()}>
          <SkeletonRows widths={[60, 80, 50]} />
        </Match>
        <Match when={props.members.data()?.length === 0}>
          <p class="empty">
            <bdi>{tenant()}</bdi> has no members; only the operator has access. Invite its first
            owner.
          </p>
        </Match>
        <Match when={props.members.data()}>
          {(list) => (
            <>
              <p class="panel-note figures">
                {exact(list().length)} {list().length === 1 ? 'person' : 'people'} with access to{' '}
                <bdi>{tenant()}</bdi>. A change holds everywhere within 30 seconds.
              </p>
              <ul class="entities">
                <For each={ids()}>
                  {(id) => (
                    <Show when={list().find(({ person }) => person.id === id)}>
                      {(member) => (
                        <MemberRow
                          member={member()}
                          mayManage={props.mayManage}
                          onAsk={(kind) => props.onAsk(kind, member())}
                        />
                      )}
                    </Show>
                  )}
                </For>
              </ul>
            </>
          )}
        </Match>
      </Switch>
    </>
  )
}

function MemberRow(props: {
  member: Member
  mayManage: boolean
  onAsk(kind: Asked['kind']): void
}) {
  const { viewer, tenant } = useApp()
  const person = () => props.member.person
  const isSelf = () => viewer().person?.id === person().id
  /** Nobody changes somebody who has more than they have. */
  const isWithin = () => grantable(roleIn(viewer(), tenant())).includes(props.member.role)
  return (
    <li class="entity">
      <div class="entity-main">
        <bdi class="entity-name">{person().name}</bdi>
        <Show when={isSelf()}>
          <span class="tag">You</span>
        </Show>
        <Show when={person().email !== person().name && person().email}>
          {(email) => <bdi class="hint entity-sub">{email()}</bdi>}
        </Show>
      </div>
      <div class="entity-fact">
        <span class="entity-label">Role</span>
        {ROLES[props.member.role].name}
      </div>
      <div class="entity-fact">
        <span class="entity-label">Joined</span>
        <Stamp at={props.member.joinedAt} />
      </div>
      <div class="entity-actions">
        <Show when={props.mayManage && isWithin()}>
          <button type="button" class="button" onClick={() => props.onAsk('role')}>
            Change role…<span class="sr-only"> of {person().name}</span>
          </button>
        </Show>
        <Show when={isSelf()}>
          <button type="button" class="button" onClick={() => props.onAsk('leave')}>
            Leave…
          </button>
        </Show>
        <Show when={props.mayManage && isWithin() && !isSelf()}>
          <button type="button" class="button" onClick={() => props.onAsk('remove')}>
            Remove…<span class="sr-only"> {person().name}</span>
          </button>
        </Show>
      </div>
    </li>
  )
}
