import type { IncomingMessage } from 'node:http'
import { type ByteBuffer, type Bytes, createByteBuffer } from '../lib/bytes.ts'

/** Unread bytes at which the client has to wait. */
const UNREAD_BYTES_MAX = 64 * 1024

/**
 * The body of a request, from its first chunk on in one buffer: Node's own queue keeps an object of a few hundred bytes
 * for each chunk, however short it is, and 64 Ki of them for a body in chunks of one byte.
 */
export class IncomingBody {
  readonly #incoming: IncomingMessage
  /** The only chunk so far, as most bodies have one. */
  #single: Uint8Array | undefined
  #buffer: ByteBuffer | undefined
  #unread = 0
  #isWhole = false
  #ended = false
  #error: Error | undefined
  #onChange: (() => void) | undefined

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming
    incoming.on('data', (chunk: Uint8Array) => this.#add(chunk))
    incoming.on('end', () => {
      this.#ended = true
      this.#changed()
    })
    incoming.on('close', () => {
      if (this.#ended || this.#error) return
      this.#error = new Error('the connection was closed')
      this.#changed()
    })
  }

  /** All of it; for bodies of a declared length alone, because nothing else bounds it. */
  async whole(): Promise<Bytes> {
    this.#isWhole = true
    this.#incoming.resume()
    while (!this.#ended) {
      if (this.#error) throw this.#error
      await this.#change()
    }
    return this.#take()
  }

  /** What has arrived since the last call; undefined at the end. */
  async next(): Promise<Bytes | undefined> {
    while (this.#unread === 0) {
      if (this.#ended) return undefined
      if (this.#error) throw this.#error
      await this.#change()
    }
    const chunk = this.#take()
    this.#incoming.resume()
    return chunk
  }

  /** Lets the rest arrive unread: the connection may bring further requests. */
  discard(): void {
    this.#take()
    if (this.#ended || this.#error) return
    // Not as at the end: whoever still reads it must not take it for complete.
    this.#error = new Error('the rest of the body is discarded')
    this.#incoming.resume()
    this.#changed()
  }

  #add(chunk: Uint8Array): void {
    if (this.#error) return
    if (this.#unread === 0) this.#single = chunk
    else {
      if (!this.#buffer) {
        this.#buffer = createByteBuffer()
        this.#buffer.add(this.#single as Uint8Array)
        this.#single = undefined
      }
      this.#buffer.add(chunk)
    }
    this.#unread += chunk.byteLength
    if (this.#unread >= UNREAD_BYTES_MAX && !this.#isWhole) this.#incoming.pause()
    if (!this.#isWhole) this.#changed()
  }

  #take(): Bytes {
    const bytes = this.#buffer?.bytes() ?? this.#single ?? new Uint8Array()
    this.#buffer = undefined
    this.#single = undefined
    this.#unread = 0
    return bytes as Bytes
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve
    })
  }

  #changed(): void {
    const notify = this.#onChange
    this.#onChange = undefined
    notify?.()
  }
}
