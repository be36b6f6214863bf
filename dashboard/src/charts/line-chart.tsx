import { createEffect, createSignal, type JSX, on, onCleanup, onMount, Show } from 'solid-js'
import { isDark } from '../lib/theme.ts'
import { type ChartController, createChartController } from './chart-controller.ts'
import type { ChartData } from './datasets.ts'

const DRAG_PX_MIN = 8

export interface LineChartProps extends ChartData {
  /** The text alternative of the canvas. */
  label: string
  /** The tooltip of one bucket. */
  tooltip(index: number): JSX.Element
  /** A range was dragged with the mouse: indices of its first and last bucket. */
  onSelect?(first: number, last: number): void
  /** A bucket was clicked, at the height of that value. */
  onPick?(index: number, value: number): void
  /** Whether the newest point moves, so that a dot marks it. Unless given, it does. */
  isLive?: boolean | undefined
}

/** Lines over time, with a tooltip and a range selection by dragging. */
export function LineChart(props: LineChartProps) {
  let box!: HTMLDivElement
  let canvas!: HTMLCanvasElement
  let edge!: HTMLSpanElement
  let chart: ChartController | undefined
  const [hovered, setHovered] = createSignal<{ index: number; x: number; width: number }>()
  const [drag, setDrag] = createSignal<{ from: number; to: number }>()

  const data = (): ChartData => ({
    resolution: props.resolution,
    zone: props.zone,
    times: props.times,
    whole: props.whole,
    lines: props.lines,
    previous: props.previous,
    isStacked: props.isStacked,
    hasFractions: props.hasFractions,
    selected: props.selected,
  })

  onMount(() => {
    chart = createChartController(canvas, data(), {
      hover: (index, x) =>
        setHovered(index === undefined ? undefined : { index, x, width: box.clientWidth }),
      liveEdge(x, y) {
        edge.style.transform = `translate(${x}px, ${y}px)`
      },
    })
    onCleanup(() => chart?.destroy())
  })
  createEffect(on(data, (next) => chart?.update(next), { defer: true }))
  createEffect(on(isDark, () => chart?.repaint(), { defer: true }))

  const x = (event: PointerEvent) => event.clientX - box.getBoundingClientRect().left
  const startDrag = (event: PointerEvent) => {
    if (event.pointerType !== 'mouse' || event.button !== 0 || !props.onSelect) return
    box.setPointerCapture(event.pointerId)
    setDrag({ from: x(event), to: x(event) })
  }
  let wasDragged = false
  const endDrag = () => {
    const selected = drag()
    wasDragged = selected !== undefined && Math.abs(selected.to - selected.from) >= DRAG_PX_MIN
    setDrag(undefined)
    if (selected === undefined || chart === undefined) return
    if (Math.abs(selected.to - selected.from) < DRAG_PX_MIN) return
    const ends = [chart.indexAt(selected.from), chart.indexAt(selected.to)]
    props.onSelect?.(Math.min(...ends), Math.max(...ends))
  }
  /** Comes after pointerup, at the end of a drag as well. */
  const pick = (event: MouseEvent) => {
    if (wasDragged || chart === undefined || props.times.length === 0) return
    const { left, top } = box.getBoundingClientRect()
    props.onPick?.(chart.indexAt(event.clientX - left), chart.valueAt(event.clientY - top))
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the table view has the same as buttons
    // biome-ignore lint/a11y/useKeyWithClickEvents: the table view has the same as buttons
    <div
      class="chart"
      data-pickable={props.onPick !== undefined}
      ref={box}
      onClick={pick}
      onPointerDown={startDrag}
      onPointerMove={(event) => setDrag((current) => current && { ...current, to: x(event) })}
      onPointerUp={endDrag}
      onPointerCancel={() => setDrag(undefined)}
    >
      <canvas ref={canvas} role="img" aria-label={props.label} />
      <span
        class="chart-dot"
        ref={edge}
        data-shown={props.times.length > 0 && props.isLive !== false}
        aria-hidden="true"
      />
      <Show when={drag()}>
        {(selected) => (
          <div
            class="chart-drag"
            style={{
              left: `${Math.min(selected().from, selected().to)}px`,
              width: `${Math.abs(selected().to - selected().from)}px`,
            }}
          />
        )}
      </Show>
      <Show when={!drag() && hovered()}>
        {(bucket) => (
          <div
            class="chart-tooltip"
            data-side={bucket().x > bucket().width / 2 ? 'left' : 'right'}
            style={{ left: `${bucket().x}px` }}
          >
            {props.tooltip(bucket().index)}
          </div>
        )}
      </Show>
    </div>
  )
}
