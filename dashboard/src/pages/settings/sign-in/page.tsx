import { For, type JSX, Match, Show, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../../components/error-notice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { createQuery, isMissing } from '../../../lib/api/query.ts'
import { useApp } from '../../../lib/app-context.ts'
import type { SignInMethods } from '../../../lib/sign-in.ts'
import { Passkeys } from './passkeys.tsx'
import { fetchSignInMethods } from './queries.ts'

/** How people sign in to this system, and the viewer's own passkeys. */
export default function SignInSection() {
  const { viewer } = useApp()
  const methods = createQuery({
    scope: () => 'sign-in methods',
    variables: () => ({}),
    fetch: fetchSignInMethods,
  })
  return (
    <>
      <Show when={methods.data()?.passkey && viewer().kind === 'PERSON'}>
        <Passkeys />
      </Show>
      <Panel title="How people sign in">
        <p class="panel-note">
          Set by who runs Sluice, for all tenants. To change it, see “Settings” in docs/sign-in.md.
        </p>
        <QueryNotice query={methods} subject="The sign-in methods are" />
        <Switch>
          <Match when={isMissing(methods)}>
            <Missing subject="The sign-in methods" />
          </Match>
          <Match when={methods.loading()}>
            <SkeletonRows widths={[60, 80]} />
          </Match>
          <Match when={methods.data()}>{(found) => <Methods methods={found()} />}</Match>
        </Switch>
      </Panel>
    </>
  )
}

function Methods(props: { methods: SignInMethods }) {
  return (
    <ul class="entities">
      <For each={props.methods.providers}>
        {({ id, name }) => (
          <Method name={name} isOn>
            Identity provider <bdi class="mono">{id}</bdi>: members, and invited people whose
            address it has verified.
          </Method>
        )}
      </For>
      <Method name="Passkeys" isOn={props.methods.passkey}>
        For teams without a provider: registered from the link of an invitation.
      </Method>
      <Method name="Sign-in links" isOn={props.methods.link}>
        For the operator alone: “sluice status” prints one, which works once, within ten minutes.
      </Method>
    </ul>
  )
}

function Method(props: { name: string; isOn: boolean; children: JSX.Element }) {
  return (
    <li class="entity">
      <div class="entity-main">
        <bdi class="entity-name">{props.name}</bdi>
        <span class="hint entity-sub">{props.children}</span>
      </div>
      <div class="entity-fact">
        <span class="entity-label">State</span>
        {props.isOn ? 'On' : 'Off'}
      </div>
    </li>
  )
}
