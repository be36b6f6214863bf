import { For } from 'solid-js'

/** The page before anything is known, in its final shape, so that nothing jumps. */
export function Skeleton() {
  return (
    <div class="frame" aria-busy="true">
      <div class="rail" />
      <div class="top" />
      <main class="page">
        <h1 class="sr-only">Overview</h1>
        <p class="sr-only" role="status">
          Loading
        </p>
        <div class="overview">
          <div class="tiles">
            <For each={[1, 2, 3, 4]}>{() => <div class="tile bone-tile" />}</For>
          </div>
          <div class="panel trend bone-panel" />
          <div class="panel top-names bone-panel" />
          <div class="panel feed bone-panel" />
        </div>
      </main>
    </div>
  )
}
