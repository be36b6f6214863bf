import { CopyButton } from './copy-button.tsx'
import { Scroll } from './scroll.tsx'

/** A command with a copy button. */
export function CodeBlock(props: { text: string }) {
  return (
    <div class="code">
      <Scroll class="code-text" label="Command">
        <pre>{props.text}</pre>
      </Scroll>
      <CopyButton what="command" text={() => props.text} />
    </div>
  )
}
