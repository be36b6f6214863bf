/**
 * Okabe and Ito's colour-blind-safe colours, in an order in which neighbours differ most, each with its
 * lightness moved to a contrast of 3:1 (their yellow and sky blue are invisible on white).
 * CSS holds them as --series-1 … --series-8 and --series-other.
 */
export const SERIES_MAX = 8

/** `var(--series-3)`; everything after the eighth is "other". */
export const seriesColour = (index: number): string =>
  `var(--series-${index < SERIES_MAX ? index + 1 : 'other'})`

const cache = new Map<string, string>()

/** A canvas cannot use custom properties: the value of a CSS colour inside that element. */
export function resolveColour(colour: string, parent: HTMLElement, alpha = 1): string {
  const key = `${colour} ${alpha}`
  const cached = cache.get(key)
  if (cached !== undefined) return cached
  const probe = document.createElement('span')
  probe.style.color = colour
  parent.append(probe)
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g) ?? [128, 128, 128]
  probe.remove()
  const resolved = `rgba(${red}, ${green}, ${blue}, ${alpha})`
  cache.set(key, resolved)
  return resolved
}

/** After the theme changed. */
export const clearColourCache = (): void => cache.clear()
