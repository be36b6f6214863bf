import { For } from 'solid-js'

/** The whole screen before the viewer is known, in its final layout, so that nothing moves. */
export function Skeleton() {
  return (
    <div class="layout" aria-busy="true">
      <div class="rail" />
      <div class="top" />
      <main class="page">
        <h1 class="sr-only">Sluice</h1>
        <PageSkeleton />
      </main>
    </div>
  )
}

/** A page while its code is loaded. */
export function PageSkeleton() {
  return (
    <div class="overview" aria-busy="true">
      <p class="sr-only" role="status">
        Loading
      </p>
      <div class="tiles">
        <For each={[1, 2, 3, 4]}>{() => <div class="tile skeleton-tile" />}</For>
      </div>
      <div class="panel trend skeleton-panel" />
      <div class="panel top-events skeleton-panel" />
      <div class="panel feed skeleton-panel" />
    </div>
  )
}
