/**
 * Okabe and Ito's colours, in an order in which neighbours differ most, each moved in lightness as
 * far as 3:1 against the ground asks for (their yellow and sky blue vanish on white).
 * CSS holds them as --series-1 … --series-8 and --series-other.
 */
export const SERIES_MAX = 8

/** `var(--series-3)`; everything past the eighth is "other". */
export const seriesColour = (index: number): string =>
  `var(--series-${index < SERIES_MAX ? index + 1 : 'other'})`

const resolved = new Map<string, string>()

/** A canvas knows no custom properties: what a colour of the stylesheet comes to, here and now. */
export function resolveColour(colour: string, within: HTMLElement, alpha = 1): string {
  const known = resolved.get(`${colour} ${alpha}`)
  if (known !== undefined) return known
  const probe = document.createElement('span')
  probe.style.color = colour
  within.append(probe)
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g) ?? [128, 128, 128]
  probe.remove()
  const found = `rgba(${red}, ${green}, ${blue}, ${alpha})`
  resolved.set(`${colour} ${alpha}`, found)
  return found
}

/** After a change of theme. */
export const forgetColours = (): void => resolved.clear()
