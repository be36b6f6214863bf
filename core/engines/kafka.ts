import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngineProcess, type EngineProcess } from './child.ts'
import { brokersSeenBy } from './kafka-metadata.ts'

/** A cluster of one or three brokers, each of which is a controller too. */
export interface KafkaEngine {
  /** host:port of each */
  brokers: string[]
  nodes: EngineProcess[]
  /** Resolves when every broker answers and knows all others. */
  start(): Promise<void>
  stop(): Promise<void>
  kill(): Promise<void>
}

export interface KafkaEngineOptions {
  home: string
  /** The folder of Kafka's jars. */
  jars: string
  /** Two a broker: where clients come, and where the controllers talk. */
  ports: readonly KafkaPorts[]
  onRestart?: (why: string) => void
}

export interface KafkaPorts {
  broker: number
  controller: number
}

const START_MS_MAX = 90_000
const FORMAT_MS_MAX = 60_000
const HEAP = '-Xmx512m'
/** As Kafka's own start script has them. */
const JVM = [
  HEAP,
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
]

/** Apache Kafka in KRaft mode on loopback. */
export function createKafkaEngine({
  home,
  jars,
  ports,
  onRestart,
}: KafkaEngineOptions): KafkaEngine {
  const brokers = ports.map(({ broker }) => `127.0.0.1:${broker}`)
  const nodes = ports.map(({ broker }, index) =>
    createEngineProcess({
      name: ports.length > 1 ? `Kafka ${index + 1}` : 'Kafka',
      command: 'java',
      args: [...java(home, jars), 'kafka.Kafka', propertiesFile(home, index)],
      home: nodeHome(home, index),
      // The others may be down, and it may still be asked to start.
      answers: async () => (await brokersSeenBy(broker)).includes(index + 1),
      startMsMax: START_MS_MAX,
      stopSteps: [
        { signal: 'SIGTERM', graceMs: 12_000 },
        { signal: 'SIGKILL', graceMs: 5_000 },
      ],
      onRestart,
    }),
  )
  const all = (what: 'start' | 'stop' | 'kill') => Promise.all(nodes.map((node) => node[what]()))

  return {
    brokers,
    nodes,
    async start() {
      mkdirSync(home, { recursive: true })
      writeFileSync(join(home, 'log4j2.yaml'), LOG4J)
      await Promise.all(ports.map((_, index) => format(home, jars, ports, index)))
      await all('start')
      await untilAllAreKnown(ports)
    },
    async stop() {
      await all('stop')
    },
    async kill() {
      await all('kill')
    },
  }
}

async function untilAllAreKnown(ports: readonly KafkaPorts[]): Promise<void> {
  const deadline = Date.now() + START_MS_MAX
  for (const { broker } of ports)
    while ((await brokersSeenBy(broker)).length < ports.length) {
      if (Date.now() > deadline) throw new Error('the Kafka brokers did not find each other')
      await sleep(50)
    }
}

/** Written anew with each start: ports may change, the data stay. */
async function format(
  home: string,
  jars: string,
  ports: readonly KafkaPorts[],
  index: number,
): Promise<void> {
  const file = propertiesFile(home, index)
  const data = join(nodeHome(home, index), 'data')
  mkdirSync(data, { recursive: true })
  const lines = Object.entries(properties(data, ports, index)).map(([name, is]) => `${name}=${is}`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  if (existsSync(join(data, 'meta.properties'))) return
  const args = ['format', '--cluster-id', clusterId(home), '--config', file, '--ignore-formatted']
  const child = spawn('java', [...java(home, jars), 'kafka.tools.StorageTool', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: FORMAT_MS_MAX,
    killSignal: 'SIGKILL',
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      if (said.length < 20_000) said += chunk
    })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0)
    throw new Error(
      `Kafka could not make its data folder ${data}: ${said.trim() || `exit ${code}`}`,
    )
}

function properties(
  data: string,
  ports: readonly KafkaPorts[],
  index: number,
): Record<string, string | number> {
  const { broker, controller } = ports[index] as KafkaPorts
  const copies = Math.min(3, ports.length)
  const inSync = Math.max(1, copies - 1)
  return {
    'process.roles': 'broker,controller',
    'node.id': index + 1,
    'controller.quorum.voters': ports
      .map((each, i) => `${i + 1}@127.0.0.1:${each.controller}`)
      .join(','),
    listeners: `PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${broker}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': data,
    'auto.create.topics.enable': 'false',
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': inSync,
    'group.initial.rebalance.delay.ms': 0,
  }
}

function java(home: string, jars: string): string[] {
  return [...JVM, `-Dlog4j2.configurationFile=${join(home, 'log4j2.yaml')}`, '-cp', join(jars, '*')]
}

/** 16 bytes in base64url, as Kafka makes its own; one that begins with a dash would be taken for an option. */
function clusterId(home: string): string {
  const file = join(home, 'cluster-id')
  if (!existsSync(file)) writeFileSync(file, `a${randomBytes(16).toString('base64url').slice(1)}`)
  return readFileSync(file, 'utf8')
}

function nodeHome(home: string, index: number): string {
  return join(home, `node-${index + 1}`)
}

function propertiesFile(home: string, index: number): string {
  return `${nodeHome(home, index)}.properties`
}

const LOG4J = `Configuration:
  Appenders:
    Console:
      name: out
      PatternLayout: { pattern: "%d{ISO8601} %p %m (%c)%n" }
  Loggers:
    Root:
      level: WARN
      AppenderRef: [{ ref: out }]
`
