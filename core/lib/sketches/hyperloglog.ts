import { hash } from 'node:crypto'
import {
  createSketchReader,
  createSketchWriter,
  SketchFormatError,
  type SketchReader,
} from './sketch-bytes.ts'

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
  /** 2^26 slots: index → run of zeros; undefined once the set is dense. */
  #sparse: Map<number, number> | undefined = new Map()
  #registers: Uint8Array | undefined

  /** @param high upper 32 bits of the hash, signed or not */
  addHash(high: number, low: number): void {
    if (this.#registers) {
      const register = high >>> (32 - PRECISION)
      raise(this.#registers, register, zerosOf(high, low, PRECISION))
      return
    }
    const sparse = this.#sparse as Map<number, number>
    const slot = high >>> (32 - SPARSE_PRECISION)
    const zeros = zerosOf(high, low, SPARSE_PRECISION)
    if (zeros > (sparse.get(slot) ?? 0)) sparse.set(slot, zeros)
    if (sparse.size > SPARSE_MAX) this.toDense()
  }

  add(member: string): void {
    const { high, low } = hashOf(member)
    this.addHash(high, low)
  }

  /** Becomes the sketch of the union. */
  merge(other: HyperLogLog): void {
    if (other.#registers) {
      const registers = this.toDense()
      for (let i = 0; i < REGISTERS; i++) raise(registers, i, other.#registers[i] as number)
      return
    }
    for (const [slot, zeros] of other.#sparse as Map<number, number>) {
      if (this.#registers) raiseFromSlot(this.#registers, slot, zeros)
      else {
        const sparse = this.#sparse as Map<number, number>
        if (zeros > (sparse.get(slot) ?? 0)) sparse.set(slot, zeros)
      }
    }
    if (this.#sparse && this.#sparse.size > SPARSE_MAX) this.toDense()
  }

  /** Also for hashes of which only the greatest of each register are added. */
  toDense(): Uint8Array {
    if (this.#registers) return this.#registers
    const registers = new Uint8Array(REGISTERS)
    for (const [slot, zeros] of this.#sparse as Map<number, number>)
      raiseFromSlot(registers, slot, zeros)
    this.#sparse = undefined
    this.#registers = registers
    return registers
  }

  /** How many different members were added, about; a whole number. */
  estimate(): number {
    if (!this.#registers) {
      const used = (this.#sparse as Map<number, number>).size
      return Math.round(SLOTS * Math.log(SLOTS / (SLOTS - used)))
    }
    return Math.round(estimateOf(this.#registers))
  }

  /** Format 1: its number, then 0 and the sorted slots as differences, or 1 and the registers in six bits each. */
  toBytes(): Buffer {
    const writer = createSketchWriter()
    writer.byte(FORMAT)
    if (this.#registers) {
      writer.byte(DENSE)
      writer.bytes(pack(this.#registers))
      return writer.finish()
    }
    writer.byte(SPARSE)
    const entries = [...(this.#sparse as Map<number, number>)]
      .map(([slot, zeros]) => slot * ZEROS_VALUES + zeros)
      .sort((a, b) => a - b)
    let previous = 0
    for (const entry of entries) {
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
    } else if (kind === SPARSE) sketch.#sparse = readSparse(reader)
    else throw new SketchFormatError(`unknown kind ${kind}`)
    reader.end()
    return sketch
  }
}

const PRECISION = 14
const REGISTERS = 2 ** PRECISION
const SPARSE_PRECISION = 26
const SLOTS = 2 ** SPARSE_PRECISION
/** With these the sorted slots are about as long as the registers. */
const SPARSE_MAX = 3_072
const ZEROS_VALUES = 64
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

/** The slot's lower bits are the first of those that a register counts zeros in. */
function raiseFromSlot(registers: Uint8Array, slot: number, zeros: number): void {
  const lowerBits = SPARSE_PRECISION - PRECISION
  const lower = slot % 2 ** lowerBits
  const all = lower === 0 ? lowerBits + zeros : Math.clz32(lower) - (32 - lowerBits) + 1
  raise(registers, slot >>> lowerBits, all)
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
  for (let from = 0, to = 0; from < PACKED_BYTES; from += 3, to += 4) {
    const bits =
      ((packed[from] as number) << 16) |
      ((packed[from + 1] as number) << 8) |
      (packed[from + 2] as number)
    registers[to] = bits >>> 18
    registers[to + 1] = (bits >>> 12) & 63
    registers[to + 2] = (bits >>> 6) & 63
    registers[to + 3] = bits & 63
  }
  for (const zeros of registers)
    if (zeros > Q + 1) throw new SketchFormatError('a register is too large')
  return registers
}

function readSparse(reader: SketchReader): Map<number, number> {
  const sparse = new Map<number, number>()
  // A slot with its zeros is at least 1, so each difference is.
  for (let entry = 0; !reader.isAtEnd(); ) {
    entry += reader.unsigned()
    const zeros = entry % ZEROS_VALUES
    const slot = (entry - zeros) / ZEROS_VALUES
    if (slot >= SLOTS || zeros === 0 || zeros > 64 - SPARSE_PRECISION + 1 || sparse.has(slot))
      throw new SketchFormatError('a slot is out of range')
    if (sparse.size === SPARSE_MAX) throw new SketchFormatError('too many slots')
    sparse.set(slot, zeros)
  }
  return sparse
}
