/** A small chart behind a number; decoration, hidden from screen readers. */
export function Sparkline(props: { values: number[] }) {
  const points = () => {
    const highest = Math.max(1, ...props.values)
    const step = WIDTH / Math.max(1, props.values.length - 1)
    return props.values.map((value, i) =>
      [i * step, HEIGHT - 2 - (value / highest) * (HEIGHT - 4)].map((n) => n.toFixed(1)).join(' '),
    )
  }
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path class="sparkline-area" d={`M${points().join('L')}V${HEIGHT}H0Z`} />
      <path class="sparkline-line" d={`M${points().join('L')}`} />
    </svg>
  )
}

const WIDTH = 240
const HEIGHT = 36
