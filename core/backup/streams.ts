import { createHash } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'
import { TimeoutError } from '../lib/timeout.ts'
import { BackupError } from './manifest.ts'

/** For this long nothing may move: neither Postgres, nor a disk, nor a store of objects. */
const STALL_MS_MAX = 120_000

/** Counts what passes, up to a bound, and fails where nothing passes any more. */
export class Meter extends Transform {
  bytes = 0
  readonly #hash = createHash('sha256')
  readonly #what: string
  readonly #bytesMax: number
  #timer: NodeJS.Timeout | undefined

  constructor(what: string, bytesMax = Number.POSITIVE_INFINITY) {
    super()
    this.#what = what
    this.#bytesMax = bytesMax
    this.#watch()
  }

  /** Of all that passed. */
  sha256(): string {
    return this.#hash.digest('hex')
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length
    this.#watch()
    if (this.bytes > this.#bytesMax) {
      done(new BackupError(`${this.#what} is longer than its manifest states.`))
      return
    }
    this.#hash.update(chunk)
    done(null, chunk)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer)
    done(error)
  }

  #watch(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => this.destroy(new TimeoutError(this.#what, STALL_MS_MAX)),
      STALL_MS_MAX,
    )
  }
}
