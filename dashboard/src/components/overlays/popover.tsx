import { createMemo, ErrorBoundary, lazy, Show, Suspense } from 'solid-js'
import type { PopoverProps } from './opened-popover.tsx'

/** Placing a panel and keeping the focus in it takes more code than the top bar itself. */
const OpenedPopover = lazy(() => import('./opened-popover.tsx'))

/** A button and the panel that it opens, whose code is loaded once somebody is about to open one. */
export function Popover(props: PopoverProps) {
  const isNeeded = createMemo<boolean>((was) => was || props.isOpen, false)
  return (
    <div class={`popover ${props.class}`}>
      <Show when={isNeeded()} fallback={<ClosedPopover {...props} />}>
        <ErrorBoundary fallback={<ClosedPopover {...props} />}>
          <Suspense fallback={<ClosedPopover {...props} />}>
            <OpenedPopover {...props} />
          </Suspense>
        </ErrorBoundary>
      </Show>
    </div>
  )
}

function ClosedPopover(props: PopoverProps) {
  // Where it fails, the click fails in the same way, and that is shown.
  const preload = () => {
    OpenedPopover.preload().catch(() => {})
  }
  return (
    <button
      type="button"
      class={props.triggerClass ?? 'control'}
      title={props.title}
      aria-haspopup="dialog"
      aria-expanded="false"
      onPointerEnter={preload}
      onFocus={preload}
      onClick={() => props.onOpenChange(true)}
    >
      <span class="sr-only">{props.label}: </span>
      {props.button}
    </button>
  )
}
