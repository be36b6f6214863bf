import type { JSX } from 'solid-js'
import { KeyboardIcon, OverviewIcon, SignOutIcon } from '../components/icons.tsx'

/** The rail (a bar at the bottom where the screen is narrow), the top bar, and the page. */
export function Frame(props: { top: JSX.Element; onKeys(): void; children: JSX.Element }) {
  return (
    <div class="frame">
      <a class="skip" href="#page">
        Skip to the page
      </a>
      <nav class="rail" aria-label="Main">
        <a class="brand" href="/" title="Sluice">
          <Brand />
          <span class="sr-only">Sluice</span>
        </a>
        <a class="rail-item" href={location.search || '/'} aria-current="page">
          <OverviewIcon />
          Overview
        </a>
        <span class="rail-gap" />
        <button type="button" class="rail-item" onClick={() => props.onKeys()}>
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

export function Brand() {
  return (
    <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M7 12c3 0 3-2.5 6-2.500s3 2.5 6 2.5 3-2.5 6-2.500M7 17.500c3 0 3-2.5 6-2.500s3 2.5 6 2.5 3-2.5 6-2.500M7 23c3 0 3-2.5 6-2.500s3 2.5 6 2.5 3-2.5 6-2.5" />
    </svg>
  )
}
