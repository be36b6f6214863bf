/** Which engine keeps the log, and how to reach it. core/config.ts reads it from the environment. */
export type LogConfig = { kind: 'postgres' } | KafkaConfig

export interface KafkaConfig {
  kind: 'kafka'
  /** KAFKA_BROKERS: host:port of each */
  brokers: string[]
  /** SLUICE_KAFKA_USERNAME and SLUICE_KAFKA_PASSWORD */
  username: string | undefined
  password: string | undefined
  /** SLUICE_KAFKA_MECHANISM: plain unless set */
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  /** SLUICE_KAFKA_TLS: true, or the PEM text of the trusted certificates */
  tls: boolean | { ca: string }
  /** SLUICE_KAFKA_TOPIC_PREFIX: before the topics' names and the group's, for more than one Sluice on a Kafka. */
  prefix: string
}
