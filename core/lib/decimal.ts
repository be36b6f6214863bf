/** Decimal numbers as Postgres writes them, such as `-12.50`; no rounding takes place. */
export type Decimal = string

/** @throws RangeError for what is not such a number, NaN and Infinity included */
export function addDecimals(numbers: readonly Decimal[]): Decimal {
  const parts = numbers.map((text) => {
    const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []
    if (whole === undefined) throw new RangeError(`not a decimal number: ${text}`)
    return { digits: BigInt(`${sign}${whole}${fraction}`), scale: fraction.length }
  })
  const scale = Math.max(0, ...parts.map((part) => part.scale))
  const sum = parts.reduce(
    (total, part) => total + part.digits * 10n ** BigInt(scale - part.scale),
    0n,
  )
  const digits = String(sum < 0n ? -sum : sum).padStart(scale + 1, '0')
  const fraction = scale === 0 ? '' : `.${digits.slice(-scale)}`.replace(/\.?0+$/, '')
  return `${sum < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}${fraction}`
}

export function negate(number: Decimal): Decimal {
  if (/^-?0*(?:\.0*)?$/.test(number)) return '0'
  return number.startsWith('-') ? number.slice(1) : `-${number}`
}

/** The shortest decimal that is this double, without an exponent. */
export function toDecimal(number: number): Decimal {
  const [, sign = '', whole = '0', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(number)) ?? []
  const at = whole.length + Number(exponent)
  const digits = `${whole}${fraction}`
  if (at <= 0) return `${sign}0.${'0'.repeat(-at)}${digits}`
  if (at >= digits.length) return `${sign}${digits.padEnd(at, '0')}`
  return `${sign}${digits.slice(0, at)}.${digits.slice(at)}`
}
