import { A, useLocation } from '@solidjs/router'
import { createSignal, For, type JSX, Show } from 'solid-js'
import { Brand, KeyboardIcon, MoreIcon } from '../components/icons.tsx'
import { Popover } from '../components/overlays/popover.tsx'
import { useApp } from '../lib/app-context.ts'
import type { Page } from '../router.tsx'

/** In the bar at the bottom of narrow screens; the others are under "More". */
const BAR_PAGES_MAX = 3

/** The navigation (a bar at the bottom of narrow screens), the top bar, and the page. */
export function Layout(props: {
  /** Those that the viewer may open. */
  pages: readonly Page[]
  top: JSX.Element
  onShortcuts(): void
  children: JSX.Element
}) {
  return (
    <div class="layout">
      {/* With a target the browser follows it, and moves the focus; the router would not. */}
      <a class="skip" href="#page" target="_self">
        Skip to content
      </a>
      <nav class="rail" aria-label="Main">
        <a class="brand" href="/" title="Sluice">
          <Brand />
          <span class="sr-only">Sluice</span>
        </a>
        <For each={props.pages}>
          {(page, i) => (
            <NavigationLink
              page={page}
              class={i() < BAR_PAGES_MAX ? 'rail-item' : 'rail-item wide-only'}
            />
          )}
        </For>
        <span class="rail-gap" />
        <button type="button" class="rail-item wide-only" onClick={() => props.onShortcuts()}>
          <KeyboardIcon />
          Shortcuts
        </button>
        <MoreMenu pages={props.pages.slice(BAR_PAGES_MAX)} onShortcuts={props.onShortcuts} />
      </nav>
      <header class="top">{props.top}</header>
      <main id="page" class="page" tabindex="-1">
        {props.children}
      </main>
    </div>
  )
}

function NavigationLink(props: { page: Page; class: string; onFollow?: () => void }) {
  const { urlState } = useApp()
  /** Tenant, range and zone go along from page to page. */
  const href = () => `${props.page.path}${urlState.sharedSearch()}`
  return (
    <A
      class={props.class}
      href={href()}
      end={props.page.path === '/'}
      onClick={() => props.onFollow?.()}
    >
      <props.page.icon />
      {props.page.title}
    </A>
  )
}

/** What the bar at the bottom of narrow screens has not enough width for. */
function MoreMenu(props: { pages: readonly Page[]; onShortcuts(): void }) {
  const [isOpen, setOpen] = createSignal(false)
  const location = useLocation()
  const isCurrent = () => props.pages.some(({ path }) => location.pathname.startsWith(path))
  return (
    <Popover
      label="More pages"
      class={isCurrent() ? 'rail-more is-current' : 'rail-more'}
      triggerClass="rail-item"
      title="More pages"
      isOpen={isOpen()}
      onOpenChange={setOpen}
      button={
        <>
          <MoreIcon />
          More
        </>
      }
    >
      <div class="menu">
        <For each={props.pages}>
          {(page) => (
            <NavigationLink page={page} class="menu-item" onFollow={() => setOpen(false)} />
          )}
        </For>
        <Show when={props.pages.length > 0}>
          <hr />
        </Show>
        <button
          type="button"
          class="menu-item"
          onClick={() => {
            setOpen(false)
            props.onShortcuts()
          }}
        >
          <KeyboardIcon />
          Shortcuts
        </button>
      </div>
    </Popover>
  )
}
