/** A Map that drops its least recently used entry when it is full. */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #max: number
  /** Used last: it is at the end already. */
  #newest: K | undefined

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  /** Counts as a use. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined && key !== this.#newest) this.set(key, value)
    return value
  }

  set(key: K, value: V): void {
    if (key !== this.#newest) this.#entries.delete(key)
    this.#entries.set(key, value)
    this.#newest = key
    if (this.#entries.size > this.#max) this.#entries.delete(this.oldest()?.[0] as K)
  }

  delete(key: K): void {
    this.#entries.delete(key)
  }

  /** The entry that would be dropped first. */
  oldest(): [K, V] | undefined {
    return this.#entries.entries().next().value
  }
}
