import * as Dialog from '@kobalte/core/dialog'
import { createSignal, Show } from 'solid-js'
import { CodeBlock } from '../../../components/code-block.tsx'
import { Choice } from '../../../components/forms/choice.tsx'
import { CloseIcon } from '../../../components/icons.tsx'
import { useExplore } from '../context.ts'
import { curlCommand, graphqlDocument, mcpCall } from '../requests.ts'

type Interface = 'curl' | 'graphql' | 'mcp'

/** The query as scripts and agents send it, to be copied. */
export function RequestsDialog() {
  const { variables } = useExplore()
  const [chosen, setChosen] = createSignal<Interface>('curl')
  const text = () => {
    if (chosen() === 'graphql') return graphqlDocument(variables())
    return chosen() === 'mcp'
      ? mcpCall(variables())
      : curlCommand(variables(), window.location.origin)
  }
  const note = () =>
    ({
      curl: 'Set READ_KEY to an API key with the scope read. Without the Accept header the response is JSON.',
      graphql: `Send it to ${window.location.origin}/graphql with an API key with the scope read as Bearer token.`,
      mcp: `A call of a tool of the MCP server at ${window.location.origin}/mcp, with an API key with the scope read.`,
    })[chosen()]
  return (
    <Dialog.Root>
      <Dialog.Trigger class="button" title="This query as curl, GraphQL or MCP">
        Use as API
      </Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Overlay class="dialog-overlay" />
        <div class="dialog-position">
          <Dialog.Content class="dialog requests-dialog">
            <header>
              <Dialog.Title>This query as a request</Dialog.Title>
              <Dialog.CloseButton class="control" aria-label="Close">
                <CloseIcon />
              </Dialog.CloseButton>
            </header>
            <div class="requests">
              <Choice
                label="Interface"
                chosen={chosen()}
                options={{ curl: 'curl', graphql: 'GraphQL', mcp: 'MCP' }}
                choose={setChosen}
              />
              <Show
                when={text()}
                fallback={
                  <p class="muted">
                    This interface cannot filter on a missing property, or on names with a comma or
                    colon. GraphQL can.
                  </p>
                }
                keyed
              >
                {(shown) => <CodeBlock text={shown} />}
              </Show>
              <p class="hint">{note()}</p>
            </div>
          </Dialog.Content>
        </div>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
