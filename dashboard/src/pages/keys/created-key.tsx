import { Show } from 'solid-js'
import { CodeBlock } from '../../components/code-block.tsx'
import { Panel } from '../../components/panel.tsx'
import { SecretText } from '../../components/secret-text.tsx'
import { useApp } from '../../lib/app-context.ts'
import type { CreatedKey } from './queries.ts'
import { TestKey } from './test-key.tsx'

/** The secret of a key, the only time that it is known. */
export function CreatedKeyPanel(props: { created: CreatedKey; onClose(): void }) {
  const { viewer } = useApp()
  const maySend = () => props.created.key.scopes.includes('INGEST')
  return (
    <Panel
      class="created-key"
      title={
        <>
          Key <bdi>{props.created.key.name}</bdi> is created
        </>
      }
    >
      <div class="form">
        <p>
          <strong>Copy it now.</strong> It is shown only this once: Sluice stores its hash, and
          nobody can read it again.
        </p>
        <SecretText what="key" text={props.created.secret} />
        <Show when={maySend()}>
          <CodeBlock text={curlCommand(viewer().edgeUrl ?? 'https://YOUR-EDGE')} />
          <TestKey secret={props.created.secret} />
        </Show>
        <p class="form-actions">
          <button type="button" class="button" onClick={() => props.onClose()}>
            I have stored the key
          </button>
        </p>
      </div>
    </Panel>
  )
}

/** Without the secret, so that it can be pasted anywhere. */
const curlCommand = (edgeUrl: string) =>
  `curl ${edgeUrl}/v1/events \\
  -H "Authorization: Bearer $SLUICE_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"event":"page_view","user_id":"u123","page":"/pricing"}'`
