import {
  createSketchReader,
  createSketchWriter,
  SketchFormatError,
  type SketchReader,
  type SketchWriter,
} from './sketch-bytes.ts'

/**
 * Quantiles of numbers from bins whose width is 2 % of the numbers in them, so that each number is known within 1 %.
 * Sketches merge into that of all numbers, in any order. Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable
 * quantile sketch with relative-error guarantees" (2019).
 *
 * A quantile lies between two neighbours of the sorted numbers, as Postgres' percentile_cont has it; each of the two is
 * within 1 %. The smallest and the largest number are exact. Only the BINS_MAX bins of the largest magnitudes are kept,
 * a span of 10^35: smaller numbers count as 0, and the sketch reports it (`errorBound`).
 */
export class DDSketch {
  /** Index → count. */
  #positive = new Map<number, number>()
  #negative = new Map<number, number>()
  #zeros = 0
  #count = 0
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  /** Some numbers count as 0 that are not. */
  #hasCollapsed = false

  get count(): number {
    return this.#count
  }

  /** Relative error of the two numbers that a quantile lies between, at most. */
  get errorBound(): number {
    return this.#hasCollapsed ? 1 : QUANTILE_ERROR
  }

  /** @throws RangeError when it is not finite */
  add(value: number): void {
    this.addBin(binOf(value), 1, value, value)
  }

  /** Numbers of one bin, as `binOf` numbers them. */
  addBin(bin: number, count: number, min: number, max: number): void {
    if (!Number.isFinite(min) || !Number.isFinite(max)) throw new RangeError('not a finite number')
    if (bin === 0) this.#zeros += count
    else {
      const bins = bin > 0 ? this.#positive : this.#negative
      addTo(bins, Math.abs(bin) - BIN_OFFSET, count)
    }
    this.#count += count
    // There is one zero: -0 becomes 0.
    this.#min = Math.min(this.#min, min + 0)
    this.#max = Math.max(this.#max, max + 0)
    if (this.#positive.size + this.#negative.size > 2 * BINS_MAX) this.#collapse()
  }

  /** Becomes the sketch of the numbers of both. */
  merge(other: DDSketch): void {
    for (const [index, count] of other.#positive) addTo(this.#positive, index, count)
    for (const [index, count] of other.#negative) addTo(this.#negative, index, count)
    this.#zeros += other.#zeros
    this.#count += other.#count
    this.#min = Math.min(this.#min, other.#min)
    this.#max = Math.max(this.#max, other.#max)
    this.#hasCollapsed ||= other.#hasCollapsed
    if (this.#positive.size + this.#negative.size > 2 * BINS_MAX) this.#collapse()
  }

  /** @param q 0 ≤ q ≤ 1 @returns undefined without numbers */
  quantile(q: number): number | undefined {
    if (this.#count === 0) return undefined
    const rank = q * (this.#count - 1)
    const [low, high] = this.#valuesAt(Math.floor(rank), Math.ceil(rank))
    // Not (high - low) * …, which is infinite for the largest numbers of either sign.
    const part = rank - Math.floor(rank)
    return low * (1 - part) + high * part
  }

  /** Of the sorted numbers, counted from 0. */
  #valuesAt(first: number, second: number): [number, number] {
    let low: number | undefined
    let before = 0
    for (const [value, count] of this.#sorted()) {
      before += count
      if (low === undefined && first < before) low = this.#clamp(value, first)
      if (second < before) return [low as number, this.#clamp(value, second)]
    }
    return [low ?? this.#max, this.#max]
  }

  #clamp(value: number, rank: number): number {
    if (rank === 0) return this.#min
    if (rank === this.#count - 1) return this.#max
    return Math.min(Math.max(value, this.#min), this.#max)
  }

  /** Bins in the order of their numbers, each as the number in its middle. */
  *#sorted(): Generator<[number, number]> {
    for (const [index, count] of byIndex(this.#negative).reverse()) yield [-middleOf(index), count]
    if (this.#zeros > 0) yield [0, this.#zeros]
    for (const [index, count] of byIndex(this.#positive)) yield [middleOf(index), count]
  }

  /**
   * Whatever the order of merging, the bins that are left at the end are those of the whole set: a bin that is among the
   * largest of all is among the largest of its part.
   */
  #collapse(): void {
    const magnitudes = [...this.#positive.keys(), ...this.#negative.keys()].sort((a, b) => b - a)
    if (magnitudes.length <= BINS_MAX) return
    const least = magnitudes[BINS_MAX - 1] as number
    for (const bins of [this.#positive, this.#negative])
      for (const [index, count] of bins)
        if (index < least) {
          bins.delete(index)
          this.#zeros += count
        }
    this.#hasCollapsed = true
  }

  /** Format 1: its number, flags, then smallest, largest, zeros and the bins of either sign as differences. */
  toBytes(): Buffer {
    this.#collapse()
    const writer = createSketchWriter()
    writer.byte(FORMAT)
    writer.byte(this.#hasCollapsed ? COLLAPSED : 0)
    if (this.#count === 0) return writer.finish()
    writer.double(this.#min)
    writer.double(this.#max)
    writer.unsigned(this.#zeros)
    writeBins(writer, this.#positive)
    writeBins(writer, this.#negative)
    return writer.finish()
  }

  /** @throws SketchFormatError */
  static fromBytes(bytes: Uint8Array): DDSketch {
    const reader = createSketchReader(bytes)
    const format = reader.byte()
    if (format !== FORMAT) throw new SketchFormatError(`unknown format ${format}`)
    const flags = reader.byte()
    if (flags > COLLAPSED) throw new SketchFormatError(`unknown flags ${flags}`)
    const sketch = new DDSketch()
    sketch.#hasCollapsed = flags === COLLAPSED
    if (reader.isAtEnd()) return sketch
    sketch.#min = reader.double()
    sketch.#max = reader.double()
    if (!(sketch.#min <= sketch.#max) || !Number.isFinite(sketch.#max - sketch.#max))
      throw new SketchFormatError('its smallest number is not the smallest')
    sketch.#zeros = reader.unsigned()
    sketch.#positive = readBins(reader)
    sketch.#negative = readBins(reader)
    reader.end()
    sketch.#count = sketch.#zeros
    for (const bins of [sketch.#positive, sketch.#negative])
      for (const count of bins.values()) sketch.#count += count
    if (sketch.#count === 0 || !Number.isSafeInteger(sketch.#count))
      throw new SketchFormatError('its count is out of range')
    return sketch
  }
}

/** Of each of the two numbers that a quantile lies between, at most. */
export const QUANTILE_ERROR = 0.01
const GAMMA = (1 + QUANTILE_ERROR) / (1 - QUANTILE_ERROR)
/** Bin i has the numbers from γ^(i-1), without it, to γ^i. */
export const LN_GAMMA = Math.log(GAMMA)
/** The largest and the smallest double have the bins ±37,300. */
export const BIN_OFFSET = 40_000
/** Of both signs together, in a sketch that is written; twice as many while one grows. */
const BINS_MAX = 4_096
const [FORMAT, COLLAPSED] = [1, 1]

/** Numbers bins of both signs: 0 for 0, and beyond it index + BIN_OFFSET with the sign of the value. SQL does the same. */
export function binOf(value: number): number {
  if (value === 0) return 0
  return Math.sign(value) * (Math.ceil(Math.log(Math.abs(value)) / LN_GAMMA) + BIN_OFFSET)
}

/** As far from either end of the bin, relative to it. */
function middleOf(index: number): number {
  return Math.exp(index * LN_GAMMA) * (2 / (1 + GAMMA))
}

function addTo(bins: Map<number, number>, index: number, count: number): void {
  bins.set(index, (bins.get(index) ?? 0) + count)
}

function byIndex(bins: ReadonlyMap<number, number>): [number, number][] {
  return [...bins].sort(([a], [b]) => a - b)
}

function writeBins(writer: SketchWriter, bins: ReadonlyMap<number, number>): void {
  writer.unsigned(bins.size)
  let previous: number | undefined
  for (const [index, count] of byIndex(bins)) {
    if (previous === undefined) writer.signed(index)
    else writer.unsigned(index - previous)
    writer.unsigned(count)
    previous = index
  }
}

function readBins(reader: SketchReader): Map<number, number> {
  const size = reader.unsigned()
  if (size > BINS_MAX) throw new SketchFormatError('too many bins')
  const bins = new Map<number, number>()
  let index: number | undefined
  for (let i = 0; i < size; i++) {
    index = index === undefined ? reader.signed() : index + reader.unsigned()
    const count = reader.unsigned()
    if (Math.abs(index) >= BIN_OFFSET || count === 0 || bins.has(index))
      throw new SketchFormatError('a bin is out of range')
    bins.set(index, count)
  }
  return bins
}
