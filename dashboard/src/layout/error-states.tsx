import { type Accessor, For } from 'solid-js'
import { CodeBlock } from '../components/code-block.tsx'
import { ErrorNotice } from '../components/error-notice.tsx'
import { Brand } from '../components/icons.tsx'
import type { QueryError } from '../lib/api/query.ts'

/** The server does not know this browser. */
export function SignedOut() {
  return (
    <main class="full-page">
      <section class="state" aria-labelledby="signed-out">
        <Brand />
        <h1 id="signed-out">You are signed out.</h1>
        <p>To get a new sign-in link, run this command on the machine where Sluice runs:</p>
        <CodeBlock text="npm run sluice -- status" />
        <p class="muted">
          A link works once, for ten minutes. If you sign in in another tab, this page continues by
          itself.
        </p>
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
  tenant: string
  tenants: string[]
  onChoose(tenant: string): void
}) {
  return (
    <section class="state" aria-labelledby="not-allowed">
      <Brand />
      <h2 id="not-allowed">You do not have access to “{props.tenant}”.</h2>
      <p>
        The tenant does not exist, or it is not yours. The operator of this Sluice can list all
        tenants with <code>npm run sluice -- tenant list</code>. You have access to:
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
