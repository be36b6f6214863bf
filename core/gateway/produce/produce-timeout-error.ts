/** The log may have the records or not, unless `sent` is false: then it has not. Sending again is up to the sender. */
export class ProduceTimeoutError extends Error {
  readonly sent: boolean

  constructor(message: string, sent: boolean, cause?: unknown) {
    super(message, { cause })
    this.name = 'ProduceTimeoutError'
    this.sent = sent
  }
}
