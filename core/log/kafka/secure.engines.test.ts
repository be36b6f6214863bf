import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureKafkaJars } from '../../../tools/engines/kafka-jars.ts'
import { findFreeServicePort } from '../../../tools/process/ports.ts'
import { readUntil, record, text } from '../log.suite.ts'
import { createKafkaLog, createKafkaTopics, type KafkaOptions } from './kafka-log.ts'

/** A broker with TLS and SASL, as a managed Kafka has them. */
let home: string
let broker: ChildProcess
let base: KafkaOptions
let ca: string

const JAAS = 'org.apache.kafka.common.security'

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'sluice-kafka-'))
  const [open, secure, controller] = [
    await findFreeServicePort(),
    await findFreeServicePort(),
    await findFreeServicePort(),
  ]
  const store = join(home, 'store.p12')
  const keytool = (...args: string[]) =>
    execFileSync(
      'keytool',
      [...args, '-keystore', store, '-storepass', 'changeit', '-alias', 'b'],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
  keytool(
    '-genkeypair',
    '-keyalg',
    'EC',
    '-dname',
    'CN=kafka',
    '-ext',
    'san=ip:127.0.0.1',
    '-storetype',
    'PKCS12',
  )
  ca = keytool('-exportcert', '-rfc')
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `OPEN://127.0.0.1:${open},SECURE://127.0.0.1:${secure},CONTROLLER://127.0.0.1:${controller}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'OPEN',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,OPEN:PLAINTEXT,SECURE:SASL_SSL',
    'ssl.keystore.location': store,
    'ssl.keystore.password': 'changeit',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.secure.plain.sasl.jaas.config': `${JAAS}.plain.PlainLoginModule required user_ada="secret of ada";`,
    'listener.name.secure.scram-sha-256.sasl.jaas.config': `${JAAS}.scram.ScramLoginModule required;`,
    'listener.name.secure.scram-sha-512.sasl.jaas.config': `${JAAS}.scram.ScramLoginModule required;`,
    'log.dirs': join(home, 'data'),
    'offsets.topic.replication.factor': 1,
  }
  const file = join(home, 'server.properties')
  writeFileSync(
    file,
    Object.entries(properties)
      .map((each) => each.join('='))
      .join('\n'),
  )
  const java = ['-Xmx512m', '-cp', join(await ensureKafkaJars(), '*')]
  execFileSync(
    'java',
    [
      ...java,
      'kafka.tools.StorageTool',
      'format',
      '-t',
      'abcdefghijklmnopqrstuv',
      '-c',
      file,
    ].concat(
      ['256', '512'].flatMap((bits) => [
        '--add-scram',
        `SCRAM-SHA-${bits}=[name=bob,password=secret of bob]`,
      ]),
    ),
    { stdio: 'ignore' },
  )
  broker = spawn('java', [...java, 'kafka.Kafka', file], { stdio: 'ignore' })
  base = { brokers: [`127.0.0.1:${secure}`] }
  await createKafkaTopics(
    { brokers: [`127.0.0.1:${open}`] },
    [{ name: 'events', partitions: 1 }],
    60_000,
  )
}, 120_000)
afterAll(async () => {
  broker.kill('SIGKILL')
  await once(broker, 'exit')
  rmSync(home, { recursive: true, force: true })
})

test.each([
  ['plain', 'ada'],
  ['scram-sha-256', 'bob'],
  ['scram-sha-512', 'bob'],
] as const)('a client with %s over TLS appends and reads', async (mechanism, username) => {
  const options = { ...base, mechanism, username, password: `secret of ${username}`, tls: { ca } }
  const log = await createKafkaLog(options)
  const [position] = await log.append('events', [record(mechanism, 0)])
  const from = new Map([[0, position?.offset as number]])
  expect((await readUntil({ log, topic: 'events' }, from, 1)).map(text)).toEqual([mechanism])
  await log.close()
})

test('a wrong password fails at once with a message that does not contain it', async () => {
  const began = Date.now()
  const options = { ...base, username: 'ada', password: 'a wrong one', tls: { ca } }
  const refused = createKafkaLog({ ...options, startMsMax: 20_000 })
  await expect(refused).rejects.toThrow(
    /no Kafka broker answers at 127\.0\.0\.1:\d+ .*[Aa]uthentication/,
  )
  await expect(refused).rejects.not.toThrow('a wrong one')
  expect(Date.now() - began).toBeLessThan(15_000)
})

test('an untrusted certificate is refused, and so is a connection without TLS', async () => {
  const options = { ...base, username: 'ada', password: 'secret of ada' }
  await expect(createKafkaLog({ ...options, tls: true, startMsMax: 1_000 })).rejects.toThrow(
    /self-signed certificate|SELF_SIGNED/,
  )
  await expect(createKafkaLog({ ...options, startMsMax: 1_000 })).rejects.toThrow(
    'no Kafka broker answers',
  )
})
