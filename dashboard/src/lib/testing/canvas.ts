import type { Page } from 'playwright-core'

/** What a chart drew last, read back from the calls that drew it. Pixels of the canvas, from its top left. */
export interface Drawing {
  /** Points of each line, left to right. */
  lines: XY[][]
  /** Points of the thin dashed line. */
  previous: XY[]
  /** Below the chart, left to right. */
  timeTicks: { x: number; text: string }[]
  /** Beside the chart, bottom up. */
  valueTicks: { y: number; text: string }[]
}
export interface XY {
  x: number
  y: number
}

/**
 * Runs in the browser before the page does. A canvas has no elements to look at, so the calls are noted
 * since the canvas was cleared: texts, and lines with their width, dash and colour.
 */
export const RECORD_CANVAS = `{
  const proto = CanvasRenderingContext2D.prototype
  const notes = (window.canvasNotes = { texts: [], strokes: [] })
  const paths = new WeakMap()
  const at = (context, x, y) => {
    const { a, c, e, b, d, f } = context.getTransform()
    const ratio = context.canvas.width / context.canvas.clientWidth
    return { x: (a * x + c * y + e) / ratio, y: (b * x + d * y + f) / ratio }
  }
  const wrap = (target, name, note) => {
    const original = target[name]
    target[name] = function (...args) {
      note(this, ...args)
      return original.apply(this, args)
    }
  }
  wrap(proto, 'clearRect', () => { notes.texts = []; notes.strokes = [] })
  wrap(proto, 'fillText', (context, text, x, y) => notes.texts.push({ text, ...at(context, x, y) }))
  wrap(proto, 'beginPath', (context) => paths.set(context, []))
  for (const name of ['moveTo', 'lineTo']) {
    wrap(proto, name, (context, x, y) => paths.get(context)?.push({ x, y }))
    wrap(Path2D.prototype, name, (path, x, y) => {
      if (!paths.has(path)) paths.set(path, [])
      paths.get(path).push({ x, y })
    })
  }
  wrap(proto, 'stroke', (context, path) => notes.strokes.push({
    points: (paths.get(path ?? context) ?? []).map(({ x, y }) => at(context, x, y)),
    width: context.lineWidth,
    dash: context.getLineDash().join(),
    colour: context.strokeStyle,
  }))
}`

interface Notes {
  texts: { text: string; x: number; y: number }[]
  strokes: { points: XY[]; width: number; dash: string; colour: string }[]
}

/** The chart's lines are thicker than its grid; those of the period before are the only ones dashed so. */
const LINE_WIDTH_MIN = 1.5
const PREVIOUS_DASH = '3,3'

export async function drawingOf(page: Page): Promise<Drawing> {
  const { texts, strokes } = (await page.evaluate('window.canvasNotes')) as Notes
  const byColour = new Map<string, XY[]>()
  for (const { points, colour, dash, width } of strokes) {
    if (width < LINE_WIDTH_MIN || dash === PREVIOUS_DASH) continue
    // Where a bucket is not final the same colour is half as strong.
    const key = opaque(colour)
    byColour.set(key, [...(byColour.get(key) ?? []), ...points])
  }
  const bottom = Math.max(...texts.map(({ y }) => y))
  const isTime = ({ y }: { y: number }) => bottom - y < 4
  return {
    lines: [...byColour.values()].map(leftToRight),
    previous: leftToRight(
      strokes.filter(({ dash }) => dash === PREVIOUS_DASH).flatMap((s) => s.points),
    ),
    timeTicks: texts.filter(isTime).sort((a, b) => a.x - b.x),
    valueTicks: texts.filter((text) => !isTime(text)).sort((a, b) => b.y - a.y),
  }
}

function opaque(colour: string): string {
  const [r, g, b] = colour.startsWith('#')
    ? [1, 3, 5].map((i) => Number.parseInt(colour.slice(i, i + 2), 16))
    : (colour.match(/[\d.]+/g) ?? []).map(Number)
  return `${r},${g},${b}`
}

/** Segments share their ends. */
function leftToRight(points: XY[]): XY[] {
  const sorted = points.toSorted((a, b) => a.x - b.x)
  return sorted.filter(({ x }, i) => i === 0 || x - (sorted[i - 1]?.x ?? 0) > 0.01)
}

/** The value at a height of the chart, by the numbers written on its axis. */
export function valueAt({ valueTicks }: Drawing, y: number): number {
  const [low, high] = [valueTicks[0], valueTicks.at(-1)].map((tick) => ({
    y: tick?.y ?? 0,
    value: Number(tick?.text.replaceAll(',', '')),
  }))
  if (low === undefined || high === undefined) return Number.NaN
  return low.value + ((y - low.y) / (high.y - low.y)) * (high.value - low.value)
}
