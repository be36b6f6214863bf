import { Show } from 'solid-js'
import { CopyButton } from '../../../components/copy-button.tsx'
import { Scroll } from '../../../components/scroll.tsx'
import { Brand } from '../../../layout/layout.tsx'
import type { Viewer } from '../../../lib/api/documents.ts'

/** Nothing was ever stored here: what to send, ready to paste. Goes away by itself with the first event. */
export function FirstSteps(props: {
  tenant: string
  steps: Viewer['firstSteps']
  /** A tenant where there is something to see. */
  demo: string | undefined
  onDemo(tenant: string): void
}) {
  const steps = () => (props.steps?.tenant === props.tenant ? props.steps : undefined)
  return (
    <section class="state" aria-labelledby="first-steps">
      <Brand />
      <h2 id="first-steps">No events yet. Send the first one:</h2>
      <Show
        when={steps()}
        fallback={
          <>
            <p>
              This page does not know a write key of <strong>{props.tenant}</strong>. Make one at a
              terminal, then send the event with it:
            </p>
            <Code text={keyCommand(props.tenant)} />
          </>
        }
      >
        {(known) => (
          <>
            <Code text={curlOf(known())} />
            <p class="state-aside">
              From a page, a library or a file instead?{' '}
              <a href={`${known().edgeUrl}/docs`}>Every way in, to try</a>
            </p>
          </>
        )}
      </Show>
      <p class="waiting" role="status">
        <span class="badge-dot" aria-hidden="true" />
        <span>
          Waiting for the first event of <strong>{props.tenant}</strong>. It appears here by itself.
        </span>
      </p>
      <Show when={props.demo}>
        {(demo) => (
          <p class="state-aside">
            Only looking?{' '}
            <button type="button" class="button" onClick={() => props.onDemo(demo())}>
              Show the {demo()} tenant
            </button>
          </p>
        )}
      </Show>
    </section>
  )
}

function Code(props: { text: string }) {
  return (
    <div class="code">
      <Scroll class="code-text" label="Command">
        <pre>{props.text}</pre>
      </Scroll>
      <CopyButton what="command" text={() => props.text} />
    </div>
  )
}

const keyCommand = (tenant: string) =>
  `npx sluice key create --tenant ${tenant} --scope ingest --name first`

const curlOf = ({ edgeUrl, writeKey }: NonNullable<Viewer['firstSteps']>) =>
  `curl ${edgeUrl}/v1/events \\
  -H 'Authorization: Bearer ${writeKey}' \\
  -H 'Content-Type: application/json' \\
  -d '{"event":"page_view","user_id":"u123","page":"/pricing"}'`
