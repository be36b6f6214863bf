import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SupervisedProcess } from '../process/supervised-process.ts'
import { brokersSeenBy } from './kafka-metadata.ts'
import { createKafkaNode } from './kafka-node.ts'

/** A cluster of one to three brokers, each of which is a controller too. */
export interface KafkaEngine {
  /** host:port of each */
  brokers: string[]
  nodes: SupervisedProcess[]
  /** Resolves when every broker replies and knows all others. */
  start(): Promise<void>
  stop(): Promise<void>
}

export interface KafkaEngineOptions {
  home: string
  /** The folder of Kafka's jars. */
  jars: string
  /** Of each broker: one for clients and one for the controllers. */
  ports: readonly KafkaPorts[]
  onRestart?: (message: string) => void
}

export interface KafkaPorts {
  broker: number
  controller: number
}

const DISCOVERY_MS_MAX = 60_000

/** Apache Kafka in KRaft mode on loopback. */
export function createKafkaEngine(options: KafkaEngineOptions): KafkaEngine {
  const { home, jars, ports, onRestart } = options
  mkdirSync(home, { recursive: true })
  const nodes = ports.map(({ broker }, index) => {
    const nodeHome = join(home, `node-${index + 1}`)
    return createKafkaNode({
      name: ports.length > 1 ? `Kafka ${index + 1}` : 'Kafka',
      home: nodeHome,
      jars,
      properties: properties(join(nodeHome, 'data'), ports, index),
      clusterId: clusterId(home),
      // Only itself: the others may be down.
      isReady: async () => (await brokersSeenBy(broker)).includes(index + 1),
      onRestart,
    })
  })
  return {
    brokers: ports.map(({ broker }) => `127.0.0.1:${broker}`),
    nodes,
    async start() {
      await Promise.all(nodes.map((node) => node.start()))
      await waitForAllBrokers(ports)
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

async function waitForAllBrokers(ports: readonly KafkaPorts[]): Promise<void> {
  const deadline = Date.now() + DISCOVERY_MS_MAX
  for (const { broker } of ports)
    while ((await brokersSeenBy(broker)).length < ports.length) {
      if (Date.now() > deadline) throw new Error('the Kafka brokers did not find each other')
      await sleep(50)
    }
}

function properties(
  data: string,
  ports: readonly KafkaPorts[],
  index: number,
): Record<string, string | number> {
  const { broker, controller } = ports[index] as KafkaPorts
  const replicas = Math.min(3, ports.length)
  const inSync = Math.max(1, replicas - 1)
  return {
    'process.roles': 'broker,controller',
    'node.id': index + 1,
    'controller.quorum.voters': ports
      .map((node, i) => `${i + 1}@127.0.0.1:${node.controller}`)
      .join(','),
    listeners: `PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${broker}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': data,
    'auto.create.topics.enable': 'false',
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    'group.initial.rebalance.delay.ms': 0,
  }
}

/** 16 bytes in base64url, as Kafka generates its own. */
function clusterId(home: string): string {
  const file = join(home, 'cluster-id')
  if (!existsSync(file)) writeFileSync(file, randomBytes(16).toString('base64url'))
  return readFileSync(file, 'utf8')
}
