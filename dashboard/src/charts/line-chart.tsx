import { createEffect, createSignal, type JSX, on, onCleanup, onMount, Show } from 'solid-js'
import { isDark } from '../lib/theme.ts'
import { type LineChart, makeLineChart } from './chart-controller.ts'
import type { Drawn } from './datasets.ts'

export interface ChartProps extends Drawn {
  /** What a person hears who cannot see it. */
  says: string
  /** The tooltip over one bucket. */
  tip(index: number): JSX.Element
  /** A stretch was drawn with the mouse: indices of its first and last bucket. */
  onSelect?(first: number, last: number): void
}

/** The one door to chart.js: lines over time, a tooltip of our own, and a stretch drawn by dragging. */
export function Chart(props: ChartProps) {
  let box!: HTMLDivElement
  let canvas!: HTMLCanvasElement
  let dot!: HTMLSpanElement
  let chart: LineChart | undefined
  const [at, setAt] = createSignal<{ index: number; x: number; width: number }>()
  const [drag, setDrag] = createSignal<{ from: number; to: number }>()

  const drawn = (): Drawn => ({
    step: props.step,
    zone: props.zone,
    times: props.times,
    whole: props.whole,
    lines: props.lines,
    previous: props.previous,
    isStacked: props.isStacked,
  })

  onMount(() => {
    chart = makeLineChart(canvas, drawn(), {
      hover: (index, x) =>
        setAt(index === undefined ? undefined : { index, x, width: box.clientWidth }),
      edge(x, y) {
        dot.style.transform = `translate(${x}px, ${y}px)`
      },
    })
    onCleanup(() => chart?.destroy())
  })
  createEffect(on(drawn, (now) => chart?.draw(now), { defer: true }))
  createEffect(on(isDark, () => chart?.repaint(), { defer: true }))

  const x = (event: PointerEvent) => event.clientX - box.getBoundingClientRect().left
  const begin = (event: PointerEvent) => {
    if (event.pointerType !== 'mouse' || event.button !== 0 || !props.onSelect) return
    box.setPointerCapture(event.pointerId)
    setDrag({ from: x(event), to: x(event) })
  }
  const finish = () => {
    const stretch = drag()
    setDrag(undefined)
    if (stretch === undefined || chart === undefined) return
    if (Math.abs(stretch.to - stretch.from) < 8) return
    const ends = [chart.indexAt(stretch.from), chart.indexAt(stretch.to)]
    props.onSelect?.(Math.min(...ends), Math.max(...ends))
  }

  return (
    <div
      class="chart"
      ref={box}
      onPointerDown={begin}
      onPointerMove={(event) => setDrag((was) => was && { ...was, to: x(event) })}
      onPointerUp={finish}
      onPointerCancel={() => setDrag(undefined)}
    >
      <canvas ref={canvas} role="img" aria-label={props.says} />
      <span class="chart-dot" ref={dot} data-shown={props.times.length > 0} aria-hidden="true" />
      <Show when={drag()}>
        {(stretch) => (
          <div
            class="chart-drag"
            style={{
              left: `${Math.min(stretch().from, stretch().to)}px`,
              width: `${Math.abs(stretch().to - stretch().from)}px`,
            }}
          />
        )}
      </Show>
      <Show when={!drag() && at()}>
        {(where) => (
          <div
            class="chart-tip"
            data-side={where().x > where().width / 2 ? 'left' : 'right'}
            style={{ left: `${where().x}px` }}
          >
            {props.tip(where().index)}
          </div>
        )}
      </Show>
    </div>
  )
}
