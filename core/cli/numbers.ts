import { InvalidArgumentError } from 'commander'

/** For commander: a whole number within bounds. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text.replaceAll('_', '').replaceAll(',', ''))
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(
        `It takes a whole number from ${min}${max < Number.MAX_SAFE_INTEGER ? ` to ${max}` : ''}.`,
      )
    return value
  }
}
