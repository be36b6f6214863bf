import { A } from '@solidjs/router'
import { For, type JSX } from 'solid-js'
import { Brand, KeyboardIcon, SignOutIcon } from '../components/icons.tsx'
import { useApp } from '../lib/app-context.ts'
import type { Page } from '../router.tsx'

/** The navigation (a bar at the bottom of narrow screens), the top bar, and the page. */
export function Layout(props: {
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
        <For each={props.pages}>{(page) => <NavigationLink page={page} />}</For>
        <span class="rail-gap" />
        <button type="button" class="rail-item" onClick={() => props.onShortcuts()}>
          <KeyboardIcon />
          Shortcuts
        </button>
        <form method="post" action="/logout">
          <button type="submit" class="rail-item">
            <SignOutIcon />
            Sign out
          </button>
        </form>
      </nav>
      <header class="top">{props.top}</header>
      <main id="page" class="page" tabindex="-1">
        {props.children}
      </main>
    </div>
  )
}

function NavigationLink(props: { page: Page }) {
  const { urlState } = useApp()
  /** Tenant, range and zone go along from page to page. */
  const href = () => `${props.page.path}${urlState.sharedSearch()}`
  return (
    <A class="rail-item" href={href()} end={props.page.path === '/'}>
      <props.page.icon />
      {props.page.title}
    </A>
  )
}
