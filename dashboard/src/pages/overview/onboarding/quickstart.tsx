import { Show } from 'solid-js'
import { CodeBlock } from '../../../components/code-block.tsx'
import { Brand } from '../../../components/icons.tsx'
import type { Viewer } from '../../../lib/api/documents.ts'
import { useApp } from '../../../lib/app-context.ts'

type Onboarding = NonNullable<Viewer['onboarding']>

const DEMO_TENANT = 'demo'

/** A tenant without events: a command that sends the first one. Disappears when it arrives. */
export function Quickstart() {
  const { viewer, tenant, urlState } = useApp()
  const onboarding = () => {
    const known = viewer().onboarding
    return known?.tenant === tenant() ? known : undefined
  }
  const hasDemo = () =>
    tenant() !== DEMO_TENANT && viewer().tenants.some(({ id }) => id === DEMO_TENANT)
  return (
    <section class="state" aria-labelledby="quickstart">
      <Brand />
      <h2 id="quickstart">No events yet. Send the first one:</h2>
      <Show when={onboarding()} fallback={<CreateKey tenant={tenant()} />}>
        {(known) => (
          <>
            <CodeBlock text={curlCommand(known())} />
            <p class="state-aside">
              To send from a website, a library or a file instead, see{' '}
              <a href={`${known().edgeUrl}/docs`}>the supported formats</a>.
            </p>
          </>
        )}
      </Show>
      <p class="waiting" role="status">
        <span class="badge-dot" aria-hidden="true" />
        <span>
          Waiting for the first event of <strong>{tenant()}</strong>. It will appear here.
        </span>
      </p>
      <Show when={hasDemo()}>
        <p class="state-aside">
          Want to look around first?{' '}
          <button
            type="button"
            class="button"
            onClick={() => urlState.set({ tenant: DEMO_TENANT })}
          >
            Open the {DEMO_TENANT} tenant
          </button>
        </p>
      </Show>
    </section>
  )
}

function CreateKey(props: { tenant: string }) {
  return (
    <>
      <p>
        This page has no API key of <strong>{props.tenant}</strong>. Create one in a terminal, then
        send the event with it:
      </p>
      <CodeBlock
        text={`npm run sluice -- key create --tenant ${props.tenant} --scope ingest --name first`}
      />
    </>
  )
}

const curlCommand = ({ edgeUrl, writeKey }: Onboarding) =>
  `curl ${edgeUrl}/v1/events \\
  -H 'Authorization: Bearer ${writeKey}' \\
  -H 'Content-Type: application/json' \\
  -d '{"event":"page_view","user_id":"u123","page":"/pricing"}'`
