import { hash } from 'node:crypto'
import { createSketchReader, createSketchWriter, SketchFormatError } from './sketch-bytes.ts'

/**
 * An estimate of how many different members a set has, from at most 12 KiB. Sketches merge into that of the union, in
 * any order and however often; nothing of a member can be read back.
 *
 * 2^14 registers, each with the longest run of zeros that a hash of its part began with; the relative standard error
 * is 1.04 / √2^14. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm"
 * (2007); the estimator has no bias at any size and needs no tables: Ertl, "New cardinality estimation algorithms for
 * HyperLogLog sketches" (2017), algorithm 6. A set of up to SPARSE_MAX members is kept as 26 + 6 bits of each hash
 * instead, as in Heule et al., "HyperLogLog in practice" (2013), and counts them exactly but for collisions of 26 bits.
 *
 * Members are hashed by SHA-256, because sketches outlive their events: the same actor must have the same hash in
 * Postgres (`sha256`), here, and in every later version of either. Of the hash, 64 bits are used.
 */
export class HyperLogLog {
  /** Slots with their zeros, sorted, each slot once; undefined once the set is dense. */
  #sparse: Uint32Array | undefined = NOTHING
  /** The same, in any order and several times; not in `#sparse` yet. */
  #added: number[] = []
  #registers: Uint8Array | undefined

  /** @param high upper 32 bits of the hash, signed or not */
  addHash(high: number, low: number): void {
    if (this.#registers) {
      const register = high >>> (32 - PRECISION)
      raise(this.#registers, register, zerosOf(high, low, PRECISION))
      return
    }
    const slot = high >>> (32 - SPARSE_PRECISION)
    this.#added.push(entryOf(slot, zerosOf(high, low, SPARSE_PRECISION)))
    if (this.#added.length >= ADDED_MAX) this.#sort()
  }

  add(member: string): void {
    const { high, low } = hashOf(member)
    this.addHash(high, low)
  }

  /** Becomes the sketch of the union. */
  merge(other: HyperLogLog): void {
    const sparse = other.#sort()
    if (other.#registers) {
      const registers = this.toDense()
      for (let i = 0; i < REGISTERS; i++) raise(registers, i, other.#registers[i] as number)
    } else if (this.#registers) raiseFromSlots(this.#registers, sparse)
    else this.#setSparse(mergeSlots(this.#sort(), sparse))
  }

  /** Also for hashes of which only the greatest of each register are added. */
  toDense(): Uint8Array {
    const sparse = this.#sort()
    if (this.#registers) return this.#registers
    const registers = new Uint8Array(REGISTERS)
    raiseFromSlots(registers, sparse)
    this.#sparse = undefined
    this.#registers = registers
    return registers
  }

  /** How many different members were added, about; a whole number. */
  estimate(): number {
    const sparse = this.#sort()
    if (this.#registers) return Math.round(estimateOf(this.#registers))
    return Math.round(SLOTS * Math.log(SLOTS / (SLOTS - sparse.length)))
  }

  /** What was added becomes part of the sorted slots, which are returned; none where the set is dense. */
  #sort(): Uint32Array {
    if (!this.#sparse) return NOTHING
    if (this.#added.length === 0) return this.#sparse
    const added = Uint32Array.from(this.#added).sort()
    this.#added = []
    this.#setSparse(mergeSlots(this.#sparse, added))
    return this.#sparse ?? NOTHING
  }

  #setSparse(sparse: Uint32Array): void {
    this.#sparse = sparse
    if (sparse.length > SPARSE_MAX) this.toDense()
  }

  /** Format 1: its number, then 0 and the sorted slots as differences, or 1 and the registers in six bits each. */
  toBytes(): Buffer {
    const sparse = this.#sort()
    const writer = createSketchWriter()
    writer.byte(FORMAT)
    if (this.#registers) {
      writer.byte(DENSE)
      writer.bytes(pack(this.#registers))
      return writer.finish()
    }
    writer.byte(SPARSE)
    let previous = 0
    for (const entry of sparse) {
      writer.unsigned(entry - previous)
      previous = entry
    }
    return writer.finish()
  }

  /** @throws SketchFormatError */
  static fromBytes(bytes: Uint8Array): HyperLogLog {
    const reader = createSketchReader(bytes)
    const format = reader.byte()
    if (format !== FORMAT) throw new SketchFormatError(`unknown format ${format}`)
    const sketch = new HyperLogLog()
    const kind = reader.byte()
    if (kind === DENSE) {
      sketch.#registers = unpack(reader.bytes(PACKED_BYTES))
      sketch.#sparse = undefined
      reader.end()
    } else if (kind === SPARSE) sketch.#sparse = readSparse(bytes.subarray(2))
    else throw new SketchFormatError(`unknown kind ${kind}`)
    return sketch
  }
}

const NOTHING = new Uint32Array(0)
/** Slots that wait to be sorted. */
const ADDED_MAX = 2_048
const PRECISION = 14
const REGISTERS = 2 ** PRECISION
const SPARSE_PRECISION = 26
const SLOTS = 2 ** SPARSE_PRECISION
/** With these the sorted slots are about as long as the registers. */
const SPARSE_MAX = 3_072
/** In the lower six bits of an entry. */
const ZEROS_VALUES = 64
const ENTRIES = SLOTS * ZEROS_VALUES
const PACKED_BYTES = (REGISTERS * 6) / 8
const [FORMAT, SPARSE, DENSE] = [1, 0, 1]

/** Of an estimate: 68 % are within it, 95 % within twice, 99.7 % within three times as much. */
export const UNIQUES_STANDARD_ERROR = 1.04 / Math.sqrt(REGISTERS)

export function hashOf(member: string): { high: number; low: number } {
  const bytes = hash('sha256', member, 'buffer')
  return { high: bytes.readInt32BE(0), low: bytes.readInt32BE(4) }
}

/** Of the bits after the first `skipped`: how many are 0 before the first 1, and that one. */
function zerosOf(high: number, low: number, skipped: number): number {
  const rest = (high << skipped) >>> 0
  if (rest !== 0) return Math.clz32(rest) + 1
  return 32 - skipped + Math.clz32(low) + 1
}

function raise(registers: Uint8Array, register: number, zeros: number): void {
  if (zeros > (registers[register] as number)) registers[register] = zeros
}

function entryOf(slot: number, zeros: number): number {
  return ((slot << 6) | zeros) >>> 0
}

/** Both sorted. @returns each slot once, with the most zeros */
function mergeSlots(a: Uint32Array, b: Uint32Array): Uint32Array {
  if (b.length === 0) return a
  const merged = new Uint32Array(a.length + b.length)
  let length = 0
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const isFirst = j === b.length || (i < a.length && (a[i] as number) <= (b[j] as number))
    const entry = (isFirst ? a[i++] : b[j++]) as number
    // Of one slot the entry with more zeros comes later.
    if (length > 0 && (merged[length - 1] as number) >>> 6 === entry >>> 6) length--
    merged[length++] = entry
  }
  return merged.slice(0, length)
}

/** The slot's lower bits are the first of those that a register counts zeros in. */
function raiseFromSlots(registers: Uint8Array, sparse: Uint32Array): void {
  const lowerBits = SPARSE_PRECISION - PRECISION
  for (const entry of sparse) {
    const slot = entry >>> 6
    const lower = slot & (2 ** lowerBits - 1)
    const all =
      lower === 0
        ? lowerBits + (entry & (ZEROS_VALUES - 1))
        : Math.clz32(lower) - (32 - lowerBits) + 1
    raise(registers, slot >>> lowerBits, all)
  }
}

/** Bits after the register's number. */
const Q = 64 - PRECISION

function estimateOf(registers: Uint8Array): number {
  const counts = new Uint32Array(Q + 2)
  for (let i = 0; i < REGISTERS; i++) {
    const zeros = registers[i] as number
    counts[zeros] = (counts[zeros] as number) + 1
  }
  let z = REGISTERS * tau(1 - (counts[Q + 1] as number) / REGISTERS)
  for (let k = Q; k >= 1; k--) z = 0.5 * (z + (counts[k] as number))
  z += REGISTERS * sigma((counts[0] as number) / REGISTERS)
  return (REGISTERS * REGISTERS) / (2 * Math.LN2) / z
}

function sigma(start: number): number {
  if (start === 1) return Number.POSITIVE_INFINITY
  let x = start
  let y = 1
  let z = x
  for (let former = Number.NaN; z !== former; ) {
    x *= x
    former = z
    z += x * y
    y += y
  }
  return z
}

function tau(start: number): number {
  if (start === 0 || start === 1) return 0
  let x = start
  let y = 1
  let z = 1 - x
  for (let former = Number.NaN; z !== former; ) {
    x = Math.sqrt(x)
    former = z
    y *= 0.5
    z -= (1 - x) ** 2 * y
  }
  return z / 3
}

/** Four registers in three bytes. */
function pack(registers: Uint8Array): Uint8Array {
  const packed = new Uint8Array(PACKED_BYTES)
  const register = (i: number) => registers[i] as number
  for (let from = 0, to = 0; from < REGISTERS; from += 4, to += 3) {
    const upper = (register(from) << 18) | (register(from + 1) << 12)
    const bits = upper | (register(from + 2) << 6) | register(from + 3)
    packed[to] = bits >>> 16
    packed[to + 1] = bits >>> 8
    packed[to + 2] = bits
  }
  return packed
}

function unpack(packed: Uint8Array): Uint8Array {
  const registers = new Uint8Array(REGISTERS)
  let most = 0
  for (let from = 0, to = 0; from < PACKED_BYTES; from += 3, to += 4) {
    const upper = ((packed[from] as number) << 16) | ((packed[from + 1] as number) << 8)
    const bits = upper | (packed[from + 2] as number)
    for (let i = 0; i < 4; i++) {
      const zeros = (bits >>> (18 - 6 * i)) & 63
      registers[to + i] = zeros
      if (zeros > most) most = zeros
    }
  }
  if (most > Q + 1) throw new SketchFormatError('a register is too large')
  return registers
}

function readSparse(bytes: Uint8Array): Uint32Array {
  const sparse = new Uint32Array(Math.min(bytes.length, SPARSE_MAX))
  let length = 0
  let entry = 0
  for (let at = 0; at < bytes.length; ) {
    let difference = 0
    for (let factor = 1; ; factor *= 0x80) {
      const next = bytes[at++]
      if (next === undefined || factor > ENTRIES) throw new SketchFormatError('a slot is damaged')
      difference += (next & 0x7f) * factor
      if (next < 0x80) break
    }
    const former = entry
    entry += difference
    if (entry >= ENTRIES) throw new SketchFormatError('a slot is out of range')
    // Not %, which is slow beyond 31 bits.
    const zeros = entry & (ZEROS_VALUES - 1)
    const isNewSlot = length === 0 || entry >>> 6 > former >>> 6
    if (!isNewSlot || zeros === 0 || zeros > 64 - SPARSE_PRECISION + 1)
      throw new SketchFormatError('a slot is out of range')
    if (length === SPARSE_MAX) throw new SketchFormatError('too many slots')
    sparse[length++] = entry
  }
  return sparse.subarray(0, length)
}
