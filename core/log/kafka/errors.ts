import { ERROR_CODES } from './protocol/error-codes.ts'

/** No broker answers, or none accepts the credentials. */
export class KafkaUnreachableError extends Error {
  /** For callers to whom hosts must not be shown. */
  readonly code = 'KAFKA_UNREACHABLE'

  constructor(where: string, why: string, options?: ErrorOptions) {
    super(`no Kafka broker answers at ${where} (${why})`, options)
    this.name = 'KafkaUnreachableError'
  }
}

export class KafkaTimeoutError extends Error {
  readonly code = 'KAFKA_TIMEOUT'

  constructor(what: string, msMax: number) {
    super(`Kafka did not answer ${what} within ${Math.round(msMax)} ms`)
    this.name = 'KafkaTimeoutError'
  }
}

/** A record is larger than the topic's max.message.bytes. */
export class RecordTooLargeError extends RangeError {
  constructor(topic: string, bytes: number) {
    super(
      `a record of ${bytes} bytes is larger than ${topic} takes; raise the topic's max.message.bytes`,
    )
    this.name = 'RecordTooLargeError'
  }
}

/** A broker responded with an error code. */
export class KafkaError extends Error {
  readonly code: string

  constructor(code: number, about: string) {
    const name = ERROR_CODES[code] ?? `ERROR_${code}`
    super(`${about}: Kafka responded ${name}`)
    this.name = 'KafkaError'
    this.code = name
  }
}
