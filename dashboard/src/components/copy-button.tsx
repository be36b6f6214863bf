import { createSignal, onCleanup, Show } from 'solid-js'
import { CheckIcon, CopyIcon } from './icons.tsx'

/** Copies a text, and shows whether that worked. */
export function CopyButton(props: { text: () => string; what: string; quiet?: boolean }) {
  const [outcome, setOutcome] = createSignal<'copied' | 'failed'>()
  let timer: ReturnType<typeof setTimeout> | undefined
  onCleanup(() => clearTimeout(timer))

  const copy = async () => {
    setOutcome((await writeText(props.text())) ? 'copied' : 'failed')
    clearTimeout(timer)
    timer = setTimeout(() => setOutcome(undefined), 2_000)
  }
  const label = () =>
    outcome() === 'copied'
      ? 'Copied'
      : outcome() === 'failed'
        ? 'Copying failed, select the text instead'
        : `Copy ${props.what}`

  return (
    <button
      type="button"
      class={props.quiet ? 'button quiet' : 'button'}
      data-outcome={outcome()}
      onClick={copy}
    >
      <Show when={outcome() === 'copied'} fallback={<CopyIcon />}>
        <CheckIcon />
      </Show>
      <span aria-live="polite">{label()}</span>
    </button>
  )
}

async function writeText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}
