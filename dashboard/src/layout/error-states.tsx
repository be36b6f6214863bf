import { type Accessor, For } from 'solid-js'
import { CopyButton } from '../components/copy-button.tsx'
import { TroubleNote } from '../components/panel.tsx'
import type { Trouble } from '../lib/api/query.ts'
import { Brand } from './layout.tsx'

/** The server does not know who is asking. */
export function SignedOut() {
  return (
    <main class="alone">
      <section class="state" aria-labelledby="signed-out">
        <Brand />
        <h1 id="signed-out">You are signed out.</h1>
        <p>For a new sign-in link, run this where Sluice runs, and open the link it prints:</p>
        <div class="code">
          <pre>npx sluice status</pre>
          <CopyButton what="command" text={() => 'npx sluice status'} />
        </div>
        <p class="muted">
          A link works once, for ten minutes. If you sign in in another tab, this page goes on by
          itself.
        </p>
      </section>
    </main>
  )
}

/** A link to a tenant that is not this person's. */
export function NotAllowed(props: {
  tenant: string
  tenants: string[]
  onChoose(tenant: string): void
}) {
  return (
    <section class="state" aria-labelledby="not-allowed">
      <Brand />
      <h2 id="not-allowed">You cannot see “{props.tenant}”.</h2>
      <p>
        There is no such tenant, or it is not yours. Whoever runs this Sluice can tell which (
        <code>npx sluice tenant list</code>). You can see:
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

/** Not one answer since the page was opened. */
export function Unreachable(props: {
  trouble: Trouble
  now: Accessor<number>
  zone: string
  retry(): void
}) {
  return (
    <main class="alone">
      <section class="state" aria-labelledby="unreachable">
        <Brand />
        <h1 id="unreachable">Sluice does not answer.</h1>
        <p>
          Nothing that was accepted is lost by that: events wait in the log. Is it running?{' '}
          <code>npx sluice doctor</code> says what is missing and how to mend it.
        </p>
        <TroubleNote
          what="Sluice"
          trouble={props.trouble}
          now={props.now}
          zone={props.zone}
          retry={props.retry}
        />
      </section>
    </main>
  )
}
