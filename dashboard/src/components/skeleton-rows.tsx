import { For } from 'solid-js'

/** Rows that are still loading, each as wide as that percentage. */
export function SkeletonRows(props: { widths: readonly number[] }) {
  return (
    <div class="skeleton-rows">
      <For each={props.widths}>
        {(width) => <span class="skeleton" style={{ width: `${width}%` }} />}
      </For>
    </div>
  )
}
