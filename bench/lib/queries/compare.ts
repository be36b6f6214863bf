/**
 * Groups beyond the first hundred are one, `(other)`: those that are listed must be equal, and all together, where they
 * add up.
 * @throws where numbers differ
 */
export function compare(
  title: string,
  ours: ReadonlyMap<string, number>,
  theirs: ReadonlyMap<string, number>,
  tolerance: number,
): void {
  const isEqual = (a: number, b: number) =>
    Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b))
  const sum = (values: ReadonlyMap<string, number>) =>
    [...values.values()].reduce((total, value) => total + value, 0)
  const hasOther = [...ours.keys()].some((key) => key.endsWith('(other)'))
  for (const [key, value] of ours) {
    const other = theirs.get(key)
    if (key.endsWith('(other)') || (other !== undefined && isEqual(value, other))) continue
    throw new Error(`${title}: ${value} and ${other} of ${key}`)
  }
  if (ours.size === 0 || (!hasOther && ours.size !== theirs.size))
    throw new Error(`${title}: ${ours.size} and ${theirs.size} numbers`)
  if (hasOther && !isEqual(sum(ours), sum(theirs)))
    throw new Error(`${title}: ${sum(ours)} and ${sum(theirs)} in all`)
}
