import { type Accessor, createResource, For, lazy, Show } from 'solid-js'
import { CodeBlock } from '../components/code-block.tsx'
import { ErrorNotice } from '../components/error-notice.tsx'
import { Brand } from '../components/icons.tsx'
import type { Viewer } from '../lib/api/documents.ts'
import type { QueryError } from '../lib/api/query.ts'
import { fetchMethods, signInUrl } from '../lib/sign-in.ts'

const CreateTenant = lazy(() => import('../components/overlays/create-tenant.tsx'))

/** The server does not know this browser. */
export function SignedOut() {
  const [methods] = createResource(fetchMethods)
  const hasPage = () => {
    const known = methods()
    return known !== undefined && (known.passkey || known.providers.length > 0)
  }
  return (
    <main class="full-page">
      <section class="state" aria-labelledby="signed-out">
        <Brand />
        <h1 id="signed-out">You are signed out.</h1>
        <Show when={hasPage()}>
          <p>
            <a
              class="button primary"
              href={signInUrl(`${location.pathname}${location.search}`)}
              rel="external"
            >
              Sign in
            </a>
          </p>
        </Show>
        <Show when={methods()?.link ?? !methods.loading}>
          <p>
            {hasPage() ? 'The operator gets' : 'To get'} a new sign-in link
            {hasPage() ? ' by this command' : ', run this command'} on the machine where Sluice
            runs:
          </p>
          <CodeBlock text="npm run sluice -- status" />
          <p class="muted">
            A link works once, for ten minutes. If you sign in in another tab, this page continues
            by itself.
          </p>
        </Show>
      </section>
    </main>
  )
}

/** The code of a page could not be loaded, or it threw an error. */
export function PageFailed() {
  return (
    <section class="state" aria-labelledby="page-failed">
      <Brand />
      <h2 id="page-failed">This page could not be shown.</h2>
      <p>Sluice may have been updated since you opened it. Reload to get the current version.</p>
      <p>
        <button type="button" class="button primary" onClick={() => location.reload()}>
          Reload
        </button>
      </p>
    </section>
  )
}

/** A link to a tenant that the viewer may not see. */
export function NotAllowed(props: {
  viewer: Viewer
  tenant: string
  tenants: string[]
  onChoose(tenant: string): void
}) {
  return (
    <section class="state" aria-labelledby="not-allowed">
      <Brand />
      <h2 id="not-allowed">You do not have access to “{props.tenant}”.</h2>
      <p>
        The tenant does not exist, or you are not a member of it.{' '}
        <Show
          when={props.viewer.person}
          fallback={
            <>
              The operator of this Sluice can list all tenants with{' '}
              <code>npm run sluice -- tenant list</code>.
            </>
          }
        >
          {(person) => <>To get access, ask an owner of it to invite {addressOf(person())}.</>}
        </Show>{' '}
        You have access to:
      </p>
      <p class="state-choices">
        <For each={props.tenants}>
          {(tenant) => (
            <button type="button" class="button" onClick={() => props.onChoose(tenant)}>
              {tenant}
            </button>
          )}
        </For>
      </p>
    </section>
  )
}

/** Somebody who is signed in, and in no tenant yet, or not any more. */
export function NoTenant(props: { viewer: Viewer; onCheck(): void }) {
  return (
    <section class="state" aria-labelledby="no-tenant">
      <Brand />
      <h2 id="no-tenant">You are not a member of a tenant.</h2>
      <Show
        when={!props.viewer.isOperator && props.viewer.person}
        fallback={
          <>
            <p>There is none yet. Create the first one, here or in a terminal:</p>
            <CodeBlock text="npm run sluice -- tenant create my-team" />
          </>
        }
      >
        {(person) => (
          <p>
            A tenant holds the events and numbers of one team. Ask an owner of your team’s tenant,
            or the operator of this Sluice, to invite <strong>{addressOf(person())}</strong>; then
            open the link of the invitation.
          </p>
        )}
      </Show>
      <p class="state-choices">
        <Show when={props.viewer.isOperator}>
          <CreateTenant onCreated={props.onCheck} />
        </Show>
        <button type="button" class="button" onClick={() => props.onCheck()}>
          Check again
        </button>
      </p>
    </section>
  )
}

const addressOf = ({ email, name }: NonNullable<Viewer['person']>): string => email ?? name

/** No response since the page was opened. */
export function Unreachable(props: {
  error: QueryError
  now: Accessor<number>
  zone: string
  retry(): void
}) {
  return (
    <main class="full-page">
      <section class="state" aria-labelledby="unreachable">
        <Brand />
        <h1 id="unreachable">Sluice is not responding.</h1>
        <p>
          No accepted event is lost: events wait in the log. Is Sluice running?{' '}
          <code>npm run sluice -- doctor</code> shows what is wrong and how to fix it.
        </p>
        <ErrorNotice
          title="Cannot connect."
          error={props.error}
          now={props.now}
          zone={props.zone}
          retry={props.retry}
        />
      </section>
    </main>
  )
}
