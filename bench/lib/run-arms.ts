/** Measured values of one run of an arm. */
type Figures<Figure> = Record<keyof Figure, number>

export interface RunOptions<Figure> {
  rounds: number
  /** Rounds before the first one that counts. */
  warmUpRounds?: number
  /** One line for each run, written to stderr; none where it is missing. */
  describe?: ((figure: Figure) => string) | undefined
}

/**
 * Runs every arm once in each round, in alternating order, so that whatever else the machine does affects all
 * arms alike.
 * @returns the figures of each arm, by round
 */
export async function runArms<Name extends string, Figure>(
  names: readonly Name[],
  { rounds, warmUpRounds = 0, describe }: RunOptions<Figure>,
  run: (name: Name, round: number) => Promise<Figure>,
): Promise<ReadonlyMap<Name, Figure[]>> {
  const figures = new Map<Name, Figure[]>(names.map((name) => [name, []]))
  for (let round = -warmUpRounds; round < rounds; round++)
    for (const name of round % 2 ? names.toReversed() : names) {
      const figure = await run(name, round)
      if (round >= 0) figures.get(name)?.push(figure)
      if (describe) process.stderr.write(`round ${round + 1} · ${name}: ${describe(figure)}\n`)
    }
  return figures
}

/** The median of each value over the rounds. */
export function medians<Figure extends Figures<Figure>>(figures: readonly Figure[]): Figure {
  const keys = Object.keys(figures[0] ?? {}) as (keyof Figure)[]
  return Object.fromEntries(
    keys.map((key) => [key, median(figures.map((figure) => figure[key]))]),
  ) as Figure
}

/**
 * The median ratio of a value to that of the baseline in the same round, so that what the machine did meanwhile
 * cancels out; 1 where there is no baseline.
 */
export function medianRatio<Figure extends Figures<Figure>>(
  figures: readonly Figure[],
  baseline: readonly Figure[] | undefined,
  key: keyof Figure,
): number {
  return median(figures.map((figure, i) => figure[key] / (baseline?.[i] ?? figure)[key]))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

export interface Report {
  /** What --json prints. */
  data: unknown
  title?: string
  /** The first row is the header. */
  rows: readonly (readonly string[])[]
  footer?: string
}

/** Prints the report as a table, or its data as JSON. */
export function printReport(asJson: boolean, { data, title, rows, footer }: Report): void {
  if (asJson) {
    console.log(JSON.stringify(data))
    return
  }
  if (title) console.log(title)
  console.log(table(rows))
  if (footer) console.log(footer)
}

/** Aligned columns; the first is text, the others are numbers. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  '),
    )
    .join('\n')
}
