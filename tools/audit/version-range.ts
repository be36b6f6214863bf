/**
 * Whether a version lies in a range of the form `>=1.2.0 <1.2.5 || <1.1.3`, as advisories write them. A pre-release
 * counts as its release, so that no beta of an affected version passes. @throws RangeError for any other form
 */
export function isInRange(version: string, range: string): boolean {
  return range.split('||').some((part) =>
    part
      .trim()
      .split(/\s+/)
      .every((each) => fits(version, each)),
  )
}

function fits(version: string, comparator: string): boolean {
  const [, operator, bound = ''] = /^(>=|<=|<|>|=)?(\d+\.\d+\.\d+)$/.exec(comparator) ?? []
  if (bound === '') throw new RangeError(`${comparator} is not a comparator of versions`)
  const order = compare(numbersOf(version), numbersOf(bound))
  if (operator === '>=') return order >= 0
  if (operator === '<=') return order <= 0
  if (operator === '<') return order < 0
  if (operator === '>') return order > 0
  return order === 0
}

function numbersOf(version: string): number[] {
  return (version.split(/[-+]/)[0] as string).split('.').map(Number)
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < 3; i++) if (a[i] !== b[i]) return (a[i] ?? 0) - (b[i] ?? 0)
  return 0
}
