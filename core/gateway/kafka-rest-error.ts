/** Why a request of the REST-Kafka protocol is refused, in Upstash's form: a sentence and the HTTP status. */
export class KafkaRestError extends Error {
  readonly status: 400 | 403 | 404 | 408 | 409 | 413 | 429

  constructor(status: KafkaRestError['status'], message: string) {
    super(message)
    this.name = 'RefusedError'
    this.status = status
  }
}
